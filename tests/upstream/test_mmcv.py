"""Turning the hue back with NumPy 2, which every stock recipe does."""
import subprocess
import sys

import cv2
import mmcv
import numpy as np
import pytest
from mmengine.utils import digit_version

import interclr_plugin  # noqa: F401


@pytest.mark.parametrize('hue', [-0.5, -0.1, -0.004, 0., 0.1, 0.5])
def test_the_hue_turns_by_whole_steps_of_the_circle(hue):
    """Without it a negative turn would stop each stock training (NumPy 2),
    or go another way than with NumPy 1."""
    image = np.random.RandomState(0).randint(
        0, 256, (8, 8, 3)).astype(np.uint8)
    parts = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL))
    turned = (parts[0].astype(int) + int(hue * 255)) % 256
    expected = cv2.cvtColor(
        cv2.merge([turned.astype(np.uint8), *parts[1:]]),
        cv2.COLOR_HSV2BGR_FULL)
    found = mmcv.adjust_hue(image, hue, backend='cv2')
    assert np.array_equal(found, expected)


@pytest.mark.parametrize('first, second', [
    ('mmselfsup.datasets.transforms.processing', 'interclr_plugin'),
    ('interclr_plugin', 'mmselfsup.datasets.transforms.processing'),
])
def test_mmselfsup_takes_the_mended_function(first, second):
    """Without it the mend would depend on what is imported first."""
    script = (f'import {first}, {second}, numpy as np\n'
              'from mmselfsup.datasets.transforms import processing\n'
              'image = np.zeros((2, 2, 3), np.uint8)\n'
              'processing.adjust_hue(image, -0.1, backend="pillow")\n')
    subprocess.run([sys.executable, '-c', script], check=True)


@pytest.mark.skipif(
    digit_version(np.__version__) >= digit_version('2.0.0'),
    reason='there the stock function is wrong')
def test_a_right_function_stays():
    """Without it an installation that is right could be changed."""
    assert not hasattr(mmcv.adjust_hue, '__wrapped__')

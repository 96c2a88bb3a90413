"""What of mmcv is mended: the turn of an image's hue, Python 3.14."""
import functools
import sys

import numpy as np

from .after_import import after_import
from .mmengine import give_find_loader


def mend_hue():
    """Let mmcv turn the hue back with numpy 2, as every stock recipe does.

    mmcv casts a negative shift to uint8 and counts on its wrapping round,
    which numpy 2 refuses (torchvision had the same line, lightly 1885; mended
    in onedl-mmcv 41, not in mmcv). The shift is wrapped before the cast.
    """
    after_import('mmcv.image.photometric', _wrap_negative_hue)
    # Each of these names the function in a module of its own.
    for holder in ('mmcv.image', 'mmcv',
                   'mmselfsup.datasets.transforms.processing'):
        after_import(holder, _take_mended_hue)


class _WrappingHue(float):
    """A share of the hue circle whose product with 255 fits into uint8."""

    def __mul__(self, steps):
        return int(float(self) * steps) % 256


def _wrap_negative_hue(photometric):
    stock = photometric.adjust_hue
    try:
        stock(np.zeros((1, 1, 3), np.uint8), -0.1, backend='cv2')
    except OverflowError:

        @functools.wraps(stock)
        def adjust_hue(img, hue_factor, backend=None):
            return stock(img, _WrappingHue(hue_factor), backend)

        photometric.adjust_hue = adjust_hue


def _take_mended_hue(module):
    mended = sys.modules['mmcv.image.photometric'].adjust_hue
    module.adjust_hue = mended


def mend_find_loader():
    """Let mmcv look for its operators on Python 3.14, as mmengine does.

    The same line stands in ``mmcv.utils.ext_loader``.
    """
    after_import('mmcv.utils.ext_loader', give_find_loader)

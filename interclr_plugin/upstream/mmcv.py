"""What of mmcv is mended: the turn of an image's hue."""
import functools
import sys

import numpy as np


def mend_hue(photometric):
    """Let mmcv turn the hue back with numpy 2, as every stock recipe does.

    mmcv casts a negative shift to uint8 and counts on its wrapping round,
    which numpy 2 refuses (torchvision had the same line, lightly 1885; mended
    in onedl-mmcv 41, not in mmcv). The shift is wrapped before the cast.
    """
    stock = photometric.adjust_hue
    try:
        stock(np.zeros((1, 1, 3), np.uint8), -0.1, backend='cv2')
    except OverflowError:

        @functools.wraps(stock)
        def adjust_hue(img, hue_factor, backend=None):
            return stock(img, _WrappingHue(hue_factor), backend)

        photometric.adjust_hue = adjust_hue


def take_mended_hue(module):
    """Give a module that names the function the mended one."""
    module.adjust_hue = sys.modules['mmcv.image.photometric'].adjust_hue


class _WrappingHue(float):
    """A share of the hue circle whose product with 255 fits into uint8."""

    def __mul__(self, steps):
        return int(float(self) * steps) % 256

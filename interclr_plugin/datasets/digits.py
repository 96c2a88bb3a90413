"""Scikit-learn's digits: 1,797 scanned digits, no files and no download."""
from typing import Callable, List, Optional, Sequence, Union

import mmcv
import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

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
        pipeline (Sequence[dict | Callable]): Transforms of the scope in use.
        metainfo (dict, optional): Added to the class names '0' to '9'.
        indices (int | Sequence[int], optional): Keep only these images; an
            int keeps the first (positive) or the last (negative) ones.
        serialize_data (bool): Hold the items as one array of bytes, which
            loader processes share.
        test_mode (bool): Raise where the pipeline returns None, in place of
            trying another image.
        lazy_init (bool): Read the images at the first use.
        max_refetch (int): Tries per item when ``test_mode`` is off.

    Raises:
        ValueError: ``split`` is neither of the two.
        ImportError: scikit-learn is missing.

    Source: docs/method.md 9.2; E. Alpaydin, C. Kaynak, "Optical recognition of
    handwritten digits", UCI machine learning repository, 1998.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self,
                 *,
                 split: str = 'train',
                 pipeline: Sequence[Union[dict, Callable]] = (),
                 metainfo: Optional[dict] = None,
                 indices: Optional[Union[int, Sequence[int]]] = None,
                 serialize_data: bool = True,
                 test_mode: bool = False,
                 lazy_init: bool = False,
                 max_refetch: int = 1000) -> None:
        if split not in SPLITS:
            raise ValueError(
                f'split={split!r} is not a split of Digits: allowed are '
                f"{', '.join(map(repr, SPLITS))}. Change `split` in "
                "dataset=dict(type='Digits', split=...).")
        self.split = split
        super().__init__(
            metainfo=metainfo,
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch)

    def load_data_list(self) -> List[dict]:
        """Read the split.

        Returns:
            list[dict]: Per image ``img``, ``img_shape``, ``ori_shape`` and
            ``gt_label``, as listed for the class.
        """
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
        """Classes of an image, which ``ClassBalancedDataset`` asks for.

        Args:
            idx (int): Position in the split.

        Returns:
            list[int]: The digit, 0 to 9, alone.
        """
        return [self.get_data_info(idx)['gt_label']]

    def get_gt_labels(self) -> np.ndarray:
        """Classes of all images, which mmselfsup's kNN tool asks for.

        Returns:
            ndarray: (n,) int, 0 to 9.
        """
        return np.array(
            [self.get_data_info(i)['gt_label'] for i in range(len(self))])

    def extra_repr(self) -> List[str]:
        """Lines for the printed form.

        Returns:
            list[str]: The split.
        """
        return [f'Split: {self.split}']


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

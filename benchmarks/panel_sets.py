"""Six image sets as arrays: 32 x 32 pixels and at most 10,000 to train on, or
all images at the size that the set has.

Images are never part of this repository: they come from folders of JPEG files
below ``data/`` (``SET/train/CLASS/*.jpg``), Debian's package
dataset-fashion-mnist and scikit-learn's digits.
"""
import gzip
import os
from pathlib import Path
from typing import List, Optional, Tuple

import cv2
import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

SIZE = 32
MOST = 10_000
DATA = Path('data')
FASHION = Path('/usr/share/datasets/fashion-mnist')
# Folders of images, and whether the file's name starts with what was
# photographed several times.
FOLDERS = {
    'cifar10': ('cifar10', False),
    'imagenette': ('imagenette64', False),
    'bloodcells': ('bloodcells64', False),
    'gtsrb': ('gtsrb32', True),
}
SETS = (*FOLDERS, 'fashion', 'digits')
# Pixels of the full size; the other sets have no more than SIZE.
FULL_SIZES = {'imagenette': 64, 'bloodcells': 64}


def pixels(name: str, full: bool = False) -> int:
    return FULL_SIZES.get(name, SIZE) if full else SIZE


def prepare(name: str, full: bool = False) -> Path:
    """Write a set's arrays, once.

    Args:
        name (str): One of ``SETS`` but digits, which need no preparation.
        full (bool): All images, at the size that the set has.

    Returns:
        Path: Of an .npz file: ``train`` and ``test`` (n, S, S, 3) uint8,
        BGR; ``train_classes`` and ``test_classes`` (n,); ``train_groups``
        (n,), equal where one object was photographed several times.
    """
    path = DATA / 'panel' / f'{name}{"-full" if full else ""}.npz'
    size = pixels(name, full)
    if path.exists():
        return path
    arrays = {}
    for split in ('train', 'test'):
        if name == 'fashion':
            images, classes = _read_fashion(split)
            groups = np.arange(len(images))
        else:
            images, classes, groups = _read_folder(name, split)
        if not len(images):
            raise FileNotFoundError(
                f'no images of {name} for {split}: {FOLDERS.get(name)} below '
                f'{DATA.resolve()}, or {FASHION}')
        if split == 'train' and not full:
            # Evenly spaced in the order of the files: no class is looked at.
            count = min(MOST, len(images))
            chosen = np.arange(count) * len(images) // count
            images, classes, groups = (
                [images[i] for i in chosen], classes[chosen], groups[chosen])
        arrays[split] = np.stack(
            [_shrink(image, size) for image in images])
        arrays[f'{split}_classes'] = classes
        arrays[f'{split}_groups'] = np.unique(
            groups, return_inverse=True)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f'.partial{os.getpid()}.npz')
    np.savez(partial, **arrays)
    partial.rename(path)
    return path


def _read_folder(name: str, split: str) -> tuple:
    folder, tracks = FOLDERS[name]
    files = sorted((DATA / folder / split).glob('*/*.jpg'))
    names = sorted({file.parent.name for file in files})
    classes = np.array([names.index(file.parent.name) for file in files])
    groups = np.array([
        f'{file.parent.name}/{file.name.split("_")[0]}' if tracks else
        str(file) for file in files
    ])
    return [cv2.imread(str(file)) for file in files], classes, groups


def _read_fashion(split: str) -> tuple:
    prefix = {'train': 'train', 'test': 't10k'}[split]
    with gzip.open(FASHION / f'{prefix}-images-idx3-ubyte.gz') as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16)
    with gzip.open(FASHION / f'{prefix}-labels-idx1-ubyte.gz') as file:
        classes = np.frombuffer(file.read(), np.uint8, offset=8)
    images = images.reshape(-1, 28, 28, 1).repeat(3, 3)
    return list(np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))), classes


def _shrink(image: np.ndarray, size: int) -> np.ndarray:
    if image.shape[:2] == (size, size):
        return image
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


@DATASETS.register_module()
class PanelImages(BaseDataset):
    """A set of the panel; every item already holds its image.

    Args:
        name (str): One of ``SETS`` but digits.
        split (str): 'train' or 'test'.
        full (bool): All images, at the size that the set has.
    """

    def __init__(self,
                 *,
                 name: str,
                 split: str = 'train',
                 full: bool = False,
                 pipeline: Tuple = (),
                 **options) -> None:
        self.name = name
        self.split = split
        self.full = full
        self.images: Optional[np.ndarray] = None
        super().__init__(
            pipeline=list(pipeline), serialize_data=False, **options)

    def load_data_list(self) -> List[dict]:
        with np.load(prepare(self.name, self.full)) as arrays:
            self.images = arrays[self.split]
            classes = arrays[f'{self.split}_classes']
        shape = self.images.shape[1:3]
        return [
            dict(img_shape=shape, ori_shape=shape,
                 gt_label=int(label), number=number)
            for number, label in enumerate(classes)
        ]

    def get_data_info(self, idx: int) -> dict:
        info = dict(super().get_data_info(idx))
        info['img'] = self.images[info['number']]
        return info


def groups_of(name: str, full: bool = False) -> np.ndarray:
    """Tell which training images show one object, (n,) whole numbers."""
    with np.load(prepare(name, full)) as arrays:
        return arrays['train_groups']

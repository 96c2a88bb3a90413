"""Six image sets as arrays of 32 x 32 pixels, at most 10,000 to train on.

Images come from where `data/README` of the project's user says, never from
this repository: folders of JPEG files below ``data/``, Debian's package
dataset-fashion-mnist, scikit-learn's digits.
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


def prepare(name: str) -> Path:
    """Write a set's arrays, once.

    Args:
        name (str): One of ``SETS`` but digits, which need no preparation.

    Returns:
        Path: Of an .npz file: ``train`` and ``test`` (n, 32, 32, 3) uint8,
        BGR; ``train_classes`` and ``test_classes`` (n,); ``train_groups``
        (n,), equal where one object was photographed several times.
    """
    path = DATA / 'panel' / f'{name}.npz'
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
        if split == 'train':
            # Evenly spaced in the order of the files: no class is looked at.
            count = min(MOST, len(images))
            chosen = np.arange(count) * len(images) // count
            images, classes, groups = (
                [images[i] for i in chosen], classes[chosen], groups[chosen])
        arrays[split] = np.stack([_shrink(image) for image in images])
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


def _shrink(image: np.ndarray) -> np.ndarray:
    if image.shape[:2] == (SIZE, SIZE):
        return image
    return cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


@DATASETS.register_module()
class PanelImages(BaseDataset):
    """A set of the panel; every item already holds its image.

    Args:
        name (str): One of ``SETS`` but digits.
        split (str): 'train' or 'test'.
    """

    def __init__(self,
                 *,
                 name: str,
                 split: str = 'train',
                 pipeline: Tuple = (),
                 **options) -> None:
        self.name = name
        self.split = split
        self.images: Optional[np.ndarray] = None
        super().__init__(
            pipeline=list(pipeline), serialize_data=False, **options)

    def load_data_list(self) -> List[dict]:
        with np.load(prepare(self.name)) as arrays:
            self.images = arrays[self.split]
            classes = arrays[f'{self.split}_classes']
        return [
            dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE),
                 gt_label=int(label), number=number)
            for number, label in enumerate(classes)
        ]

    def get_data_info(self, idx: int) -> dict:
        info = dict(super().get_data_info(idx))
        info['img'] = self.images[info['number']]
        return info


def groups_of(name: str, split: str = 'train') -> np.ndarray:
    """Tell which images show one object, (n,) whole numbers."""
    with np.load(prepare(name)) as arrays:
        return arrays[f'{split}_groups']

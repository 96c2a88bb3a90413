"""The paths of a data set's images, read where mmengine keeps its list.

mmengine keeps an image's entry as a pickle, the pickles of all images one
after the other in one array. To load each takes five times as long as to cut
the path out where it stands.
"""
import pickle
from typing import Optional

import numpy as np
from mmengine.dataset import BaseDataset

from .image_folder import ImageFolder

# Entries that are looked at together: some MiB.
BLOCK = 1 << 16
# Protocol and frame, whose length differs from entry to entry.
_FRAME = 11
_TEXT = b'x' * 7


def _head(entry: dict) -> np.ndarray:
    """Cut an entry's pickle out between its frame and the path's length."""
    whole = pickle.dumps(entry, protocol=4)
    head = whole[_FRAME:whole.index(_TEXT) - 1]
    return np.frombuffer(head, np.uint8)


# Where the path is the first of several things, or the only one.
_HEADS = (_head(dict(img_path=_TEXT.decode(), gt_label=0)),
          _head(dict(img_path=_TEXT.decode())))


def paths_of(dataset: BaseDataset, start: int, stop: int,
             folder: bytes) -> Optional[bytes]:
    """Give the paths of some images, one after the other.

    Args:
        dataset (BaseDataset): Initialised.
        start (int): The first image.
        stop (int): After the last one; more than ``start``.
        folder (bytes): What is left out where a path begins with it.

    Returns:
        bytes, optional: Each path with a zero byte behind it. None where one
        of the entries does not begin with a path of at most 255 bytes, or
        the list is not as mmengine writes it.
    """
    asked = type(dataset).get_data_info
    if asked is ImageFolder.get_data_info and dataset.keeps_names:
        return dataset.paths_below(start, stop)
    listed = getattr(dataset, 'data_bytes', None)
    if (asked not in (BaseDataset.get_data_info, ImageFolder.get_data_info)
            or not isinstance(listed, np.ndarray) or not len(listed)):
        return None
    stops = dataset.data_address[start:stop]
    first = int(dataset.data_address[start - 1]) if start else 0
    block = dataset.data_bytes[first:int(stops[-1])]
    begins = np.concatenate(([first], stops[:-1])) - first + _FRAME  # (n,)
    for head in _HEADS:
        at = begins + len(head)
        if _stands(head, block, begins).all():
            break
    else:
        return None
    ends = at + 1 + block[at]
    at = at + 1
    if folder:
        # Behind a path is a byte that ends no name in UTF-8: where a shorter
        # path ends, the folder does not go on.
        at += len(folder) * _stands(
            np.frombuffer(folder, np.uint8), block, at)
    text = block.tobytes()
    paths = [text[i:j] for i, j in zip(at.tolist(), ends.tolist())]
    return b'\0'.join(paths) + b'\0'


def _stands(word: np.ndarray, block: np.ndarray,
            places: np.ndarray) -> np.ndarray:
    """Tell at which of (n,) places of a block a word stands."""
    found = np.ones(len(places), bool)
    for number, letter in enumerate(word):
        # A path ends before its block does: what is clamped stands no more.
        here = np.minimum(places + number, len(block) - 1)
        found &= block[here] == letter
    return found

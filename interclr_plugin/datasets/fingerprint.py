"""What images a data set holds, and in which order, in 32 bytes."""
import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .centre_view import innermost_dataset


def fingerprint(dataset: Any) -> Tensor:
    """Sum up the list of a data set's images.

    Of files the paths count, below the data set's own folder, so that a data
    set may move; of arrays the pixels count.

    Args:
        dataset (BaseDataset): A training set of either library, or one that
            repeats another.

    Returns:
        Tensor: (32,) uint8, SHA-256.
    """
    dataset = innermost_dataset(dataset)
    prefix = getattr(dataset, 'data_prefix', None) or {}
    folder = str(prefix.get('img_path', '')) if isinstance(
        prefix, dict) else str(prefix)
    digest = hashlib.sha256()
    for position in range(len(dataset)):
        entry = dataset.get_data_info(position)
        path = entry.get('img_path')
        if path is None:
            digest.update(np.ascontiguousarray(entry['img']).tobytes())
            continue
        path = str(path)
        if folder and path.startswith(folder):
            path = path[len(folder):]
        digest.update(path.encode() + b'\0')
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def in_words(digest: Tensor) -> str:
    """Write a fingerprint for people.

    Args:
        digest (Tensor): (32,) uint8.

    Returns:
        str: Its first 12 hexadecimal digits.
    """
    return bytes(digest.tolist()).hex()[:12]

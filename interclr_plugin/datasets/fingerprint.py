"""What tells one list of images from another: a fingerprint of 64 digits."""
import hashlib
from typing import Any, Dict, Optional

import numpy as np
import torch

from ..checkpoints.branch_names import OLD_IMAGES
from .positions import image_parts
from .stored_paths import BLOCK, paths_of

# Under the checkpoint's ``meta``.
KEY = 'image_fingerprint'
LIST_KEY = 'image_list_print'


def fingerprint(dataset: Any) -> str:
    """Sum up the list of a data set's images.

    Of files the paths count, below the data set's own folder, so that a data
    set may move; of arrays the pixels; of images that are given in another
    way, all that their entries hold.

    Args:
        dataset (BaseDataset): A training set of either library, or one that
            repeats or joins others.

    Returns:
        str: SHA-256 in hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in image_parts(dataset):
        folder = _folder(part)
        for start in range(0, len(part), BLOCK):
            stop = min(start + BLOCK, len(part))
            paths = paths_of(part, start, stop, _encoded(folder))
            if paths is not None:
                digest.update(paths)
                continue
            for position in range(start, stop):
                _add(part.get_data_info(position), folder, digest)
    return digest.hexdigest()


def list_print(dataset: Any) -> Optional[str]:
    """Sum up a data set's list as it lies in memory, the quickest of all.

    Where it did not change, the fingerprint did not; where it did, labels or
    the folder may have, and the images may be the same.

    Args:
        dataset (BaseDataset): As of :func:`fingerprint`.

    Returns:
        str, optional: SHA-256 in hexadecimal digits; None where the list is
        not kept as bytes.
    """
    digest = hashlib.sha256()
    for part in image_parts(dataset):
        listed = getattr(part, 'data_bytes', None)
        if not isinstance(listed, np.ndarray) or not len(listed):
            return None
        digest.update(_encoded(_folder(part)) + b'\0')
        for array in (listed, part.data_address):
            digest.update(np.ascontiguousarray(array))  # no copy of it
    return digest.hexdigest()


def saved_fingerprint(checkpoint: Dict[str, Any]) -> Optional[str]:
    """Find the fingerprint of the images that a bank was made of.

    Args:
        checkpoint (dict): Of this version or of 1.0.0.

    Returns:
        str, optional: None if there is none.
    """
    old = checkpoint['state_dict'].get(OLD_IMAGES)
    if old is not None and old.any():
        return bytes(old.tolist()).hex()
    return checkpoint.get('meta', {}).get(KEY)


def _add(entry: Dict[str, Any], folder: str, digest: Any) -> None:
    path = entry.get('img_path')
    if path is not None:
        path = str(path)
        if folder and path.startswith(folder):
            path = path[len(folder):]
        digest.update(_encoded(path) + b'\0')
    elif 'img' in entry:
        digest.update(np.ascontiguousarray(entry['img']).tobytes())
    else:
        for name in sorted(set(entry) - {'sample_idx'}):
            digest.update(f'{name}='.encode() + _bytes(entry[name]))


def _folder(dataset: Any) -> str:
    prefix = getattr(dataset, 'data_prefix', None) or {}
    return str(prefix.get('img_path', '')) if isinstance(
        prefix, dict) else str(prefix)


def _encoded(path: str) -> bytes:
    # A name may have bytes that are no UTF-8: Python's surrogates.
    return path.encode('utf-8', 'surrogatepass')


def _bytes(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    return repr(value).encode() + b'\0'

"""What tells one list of images from another: a fingerprint of 64 digits."""
import hashlib
from typing import Any, Dict, Optional

import numpy as np
import torch

from ..checkpoints.branch_names import OLD_IMAGES
from .positions import image_parts

# Under the checkpoint's ``meta``.
KEY = 'image_fingerprint'


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
        prefix = getattr(part, 'data_prefix', None) or {}
        folder = str(prefix.get('img_path', '')) if isinstance(
            prefix, dict) else str(prefix)
        for position in range(len(part)):
            _add(part.get_data_info(position), folder, digest)
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
        # A name may have bytes that are no UTF-8: Python's surrogates.
        digest.update(path.encode('utf-8', 'surrogatepass') + b'\0')
    elif 'img' in entry:
        digest.update(np.ascontiguousarray(entry['img']).tobytes())
    else:
        for name in sorted(set(entry) - {'sample_idx'}):
            digest.update(f'{name}='.encode() + _bytes(entry[name]))


def _bytes(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    return repr(value).encode() + b'\0'

"""A file of weights to hand on: written once, never over another."""
import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Dict

import torch
from torch import Tensor


def require_free(target: str) -> None:
    """Refuse to write over a file.

    Args:
        target (str): File to write.

    Raises:
        FileExistsError: ``target`` is there already.
    """
    if Path(target).exists():
        raise FileExistsError(
            f'{target} is there already and is not written over. Name '
            'another file, or remove it first.')


def save(weights: Dict[str, Tensor], target: str) -> str:
    """Write weights as the libraries read them, and nothing else.

    Args:
        weights (dict[str, Tensor]): Weights by name.
        target (str): File to write; its folder is made.

    Returns:
        str: SHA-256 of the written file.
    """
    # A view would be stored with all of the tensor that it is a part of.
    weights = OrderedDict(
        (name, value.clone()) for name, value in weights.items())
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(meta={}, state_dict=weights), target)
    return hashlib.sha256(Path(target).read_bytes()).hexdigest()

"""A file of weights to hand on: written once, never over another."""
import argparse
import hashlib
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Callable, Dict

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


def run(parser: argparse.ArgumentParser, write: Callable[..., str]) -> None:
    """Be a command that makes one file out of another.

    Args:
        parser (argparse.ArgumentParser): With the command's own options, all
            of them keywords of ``write``.
        write (Callable): Takes ``source``, ``target`` and the options, and
            returns the SHA-256 of what it wrote.
    """
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='file to write; it must not exist')
    options = vars(parser.parse_args())
    target = options['target']
    try:
        digest = write(**options)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    size = Path(target).stat().st_size
    print(f'{target}: {size / 1e6:.1f} MB, SHA-256 {digest}')

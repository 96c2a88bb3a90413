"""Make a small file of a checkpoint, to hand on.

    python -m interclr_plugin.publish epoch_200.pth published.pth
    python -m interclr_plugin.publish epoch_200.pth backbone.pth --backbone

The first keeps the stock model and leaves out the memory bank
(``inter_image.*``), the optimizer, the schedule, the log and the random
states; it resumes nothing, and loads wherever the stock algorithm's does. The
second keeps the backbone alone, its names without ``backbone.``.
"""
import argparse
import hashlib
import sys
from collections import OrderedDict
from pathlib import Path

import torch

from .evaluation.checkpoint import load_state_dict

_BACKBONE = 'backbone.'
_BRANCH = 'inter_image.'


def publish(source: str, target: str, *, backbone: bool = False) -> str:
    """Write the weights of a checkpoint that others need.

    Args:
        source (str): File or URL of a checkpoint; nothing in it is run.
        target (str): File to write.
        backbone (bool): Only ``backbone.*``, under names without it.
            Defaults to False: all weights but the branch's.

    Returns:
        str: SHA-256 of the written file.

    Raises:
        FileExistsError: ``target`` is there already.
        FileNotFoundError: There is no ``source``.
        ValueError: ``source`` holds no such weights.
    """
    if Path(target).exists():
        raise FileExistsError(
            f'{target} is there already and is not written over. Name '
            'another file, or remove it first.')
    weights = OrderedDict(
        (name, value.clone())
        for name, value in load_state_dict(source).items()
        if not name.startswith(_BRANCH))
    if backbone:
        weights = OrderedDict((name[len(_BACKBONE):], value)
                              for name, value in weights.items()
                              if name.startswith(_BACKBONE))
        if not weights:
            raise ValueError(f'{source} has no weights named {_BACKBONE}*.')
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(meta={}, state_dict=weights), target)
    return hashlib.sha256(Path(target).read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog='python -m interclr_plugin.publish',
        description=__doc__.splitlines()[0])
    parser.add_argument('source', help='checkpoint of a run')
    parser.add_argument('target', help='file to write; it must not exist')
    parser.add_argument(
        '--backbone', action='store_true', help='only the backbone')
    options = parser.parse_args()
    try:
        digest = publish(
            options.source, options.target, backbone=options.backbone)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    size = Path(options.target).stat().st_size
    print(f'{options.target}: {size / 1e6:.1f} MB, SHA-256 {digest}')


if __name__ == '__main__':
    main()

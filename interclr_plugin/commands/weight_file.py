"""What commands share that make one file of weights out of another."""
import argparse
from pathlib import Path
from typing import Callable, List


def make_file(parser: argparse.ArgumentParser, words: List[str],
              write: Callable[..., str]) -> None:
    """Write the file and say what it is.

    Args:
        parser (argparse.ArgumentParser): With the command's own options, all
            of them keywords of ``write``.
        words (list[str]): What stands after the command's name.
        write (Callable): Takes ``source``, ``target`` and the options, and
            returns the SHA-256 of what it wrote.
    """
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='file to write; it must not exist')
    options = vars(parser.parse_args(words))
    digest = write(**options)
    target = Path(options['target'])
    size = target.stat().st_size
    print(f'{target}: {size / 1e6:.1f} MB, SHA-256 {digest}')

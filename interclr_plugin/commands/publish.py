"""What ``publish`` takes and prints: a checkpoint, and a file to hand on."""
from typing import List

from ..checkpoints import publish
from . import new_parser
from .weight_file import make_file


def main(words: List[str]) -> None:
    """Write the file.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = new_parser('publish')
    parser.add_argument(
        '--backbone', action='store_true', help='only the backbone')
    make_file(parser, words, publish)

"""What ``convert`` takes and prints: a checkpoint of 0.x, and one of 1.x."""
from typing import List

from ..checkpoints import convert_0x
from . import new_parser
from .weight_file import make_file


def main(words: List[str]) -> None:
    """Write the file.

    Args:
        words (list[str]): What stands after the command's name.
    """
    make_file(new_parser('convert'), words, convert_0x)

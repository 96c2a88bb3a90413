"""What ``test`` takes: a configuration and the options of the stock tool."""
from typing import List

from ..upstream.tools import run_tool


def main(words: List[str]) -> None:
    """Run the test.py of the configuration's library.

    Args:
        words (list[str]): What stands after the command's name.
    """
    run_tool('test', words)

"""What ``export`` takes and prints: a training, a folder for a library."""
from typing import List

from ..export import TARGETS, export
from . import new_parser


def main(words: List[str]) -> None:
    """Write the folder and say how near it is.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = new_parser('export')
    parser.add_argument(
        'source',
        help='work directory of a training, checkpoint or published file')
    parser.add_argument('target', help='folder to make; it must not exist')
    parser.add_argument(
        '--to',
        required=True,
        choices=TARGETS,
        help='; '.join(f'{name}: {line}' for name, line in TARGETS.items()))
    parser.add_argument(
        '--config',
        help='configuration of the training; none: the one beside the source')
    result = export(**vars(parser.parse_args(words)))
    print(f'{result.folder}: {result.width} values an image, largest '
          f'difference {result.difference:.1e} (largest value '
          f'{result.largest:.2g})\n'
          f'{result.folder / "README.md"} says how to load it')

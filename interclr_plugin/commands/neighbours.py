"""What ``neighbours`` takes and prints: a run, an image, its company."""
from typing import List

from ..results.nearest import SPACES, neighbours
from .results_of_run import options_of, parser_of


def main(words: List[str]) -> None:
    """Print and draw the most similar training images.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = parser_of('neighbours', computes=True)
    parser.add_argument(
        'image', help='file, or position in the training set')
    parser.add_argument(
        '-k', type=int, default=10, help='how many (default: 10)')
    parser.add_argument(
        '--by',
        choices=SPACES,
        help='rows of the memory bank, or features of the backbone, which '
        'are computed for all training images; none: rows if there are any')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='picture to draw; none: neighbours.png beside the checkpoint')
    options = options_of(parser, words, 'neighbours.png')
    for row in neighbours(**options).itertuples():
        print(f'{row.similarity:.3f}  {row.file}')
    print(options['out'])

"""What ``propose`` takes and prints: lines of a configuration."""
from typing import List

from ..inter_image.proposal import describe
from . import RELATIONS, new_parser


def main(words: List[str]) -> None:
    """Print settings to copy.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = new_parser('propose')
    parser.add_argument('num_images', type=int, help='in the training set')
    parser.add_argument(
        '--feat-dim',
        type=int,
        default=128,
        help='width of the projection, neck.out_channels (default: 128)')
    parser.add_argument('--relations', action='store_true', help=RELATIONS)
    options = parser.parse_args(words)
    print(describe(options.num_images, options.feat_dim,
                   options.relations))

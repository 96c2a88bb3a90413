"""What ``report`` takes and prints: a work directory, a page's name."""
import sys
import warnings
from typing import List

from ..report import write_report
from ..report.facts import command_line
from . import new_parser


def main(words: List[str]) -> None:
    """Write the page and say where it is.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = new_parser('report')
    parser.add_argument('work_dir', help='--work-dir of the training')
    parser.add_argument(
        '--baseline',
        nargs='+',
        help='work directories of trainings to compare with')
    parser.add_argument(
        '--labels',
        help="true classes to measure with: 'folders' for the names of the "
        "images' folders, or a CSV file with a line file,class for each; "
        'none: those of the data set')
    parser.add_argument(
        '--output', help='page to write; none: report.html in WORK_DIR')
    parser.add_argument(
        '--no-knn',
        dest='knn',
        action='store_false',
        help='measure no accuracy, which takes long on millions of images')
    parser.add_argument(
        '--trust',
        action='store_true',
        help='run the configuration in WORK_DIR, which may hold any code')
    parser.add_argument('--device', help='cpu, cuda, ...; none: GPU if any')
    parser.add_argument('--num-workers', type=int, default=0)
    options = vars(parser.parse_args(words))
    # mmcv-lite says at import which compiled operator it does without.
    warnings.filterwarnings('ignore', 'Fail to import')
    path = write_report(
        **options,
        command=command_line(words),
        progress=lambda doing: print(doing, file=sys.stderr))
    print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')

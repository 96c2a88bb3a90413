"""Command line of the report; ``--help`` lists the options."""
import argparse
import sys
import warnings
from typing import List, Optional

from .facts import command_line
from .page import write_report


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        argv (list[str], optional): Arguments. None: those of the process.

    Returns:
        Namespace: Options, named as on the command line.
    """
    parser = argparse.ArgumentParser(
        prog='python -m interclr_plugin.report',
        description='One HTML page about a training: is it learning?')
    parser.add_argument('work_dir', help='--work-dir of the training')
    parser.add_argument(
        '--baseline', help='work directory of a training to compare with')
    parser.add_argument(
        '--output', help='page to write; none: report.html in WORK_DIR')
    parser.add_argument(
        '--no-knn',
        dest='knn',
        action='store_false',
        help='measure no accuracy, which takes long on millions of images')
    parser.add_argument('--device', help='cpu, cuda, ...; none: GPU if any')
    parser.add_argument('--num-workers', type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    """Write the page and say where it is.

    Args:
        argv (list[str], optional): Arguments. None: those of the process.
    """
    words = sys.argv[1:] if argv is None else argv
    options = vars(parse_args(words))
    # mmcv-lite says at import which compiled operator it does without.
    warnings.filterwarnings('ignore', 'Fail to import')
    try:
        path = write_report(
            **options,
            command=command_line(words),
            progress=lambda doing: print(doing, file=sys.stderr))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()

"""What commands share that give out the results of a run."""
import argparse
import sys
import warnings
from pathlib import Path
from typing import List

from . import new_parser


def parser_of(name: str, *, computes: bool) -> argparse.ArgumentParser:
    """Start a parser with what all of them take.

    Args:
        name (str): Of the command.
        computes (bool): It runs the model, too.

    Returns:
        ArgumentParser: For further arguments.
    """
    parser = new_parser(name)
    parser.add_argument(
        'run', help='--work-dir of a training, or a file of weights')
    parser.add_argument(
        '--config',
        help='configuration of the pre-training; none: that in the --work-dir')
    if computes:
        parser.add_argument('--batch-size', type=int, default=256)
        parser.add_argument('--num-workers', type=int, default=0)
        parser.add_argument(
            '--device', help='cpu, cuda, ...; none: GPU if any')
    return parser


def options_of(parser: argparse.ArgumentParser, words: List[str],
               default_out: str) -> dict:
    """Read the words.

    Args:
        parser (argparse.ArgumentParser): With ``--out``.
        words (list[str]): What stands after the command's name.
        default_out (str): Name of the output, beside the run's checkpoint.

    Returns:
        dict: Keywords of the function that does the work, and ``out``.
    """
    options = vars(parser.parse_args(words))
    run = Path(options['run'])
    folder = run if run.is_dir() else run.parent
    options['out'] = options['out'] or str(folder / default_out)
    options['progress'] = lambda doing: print(doing, file=sys.stderr)
    # mmcv-lite says at import which compiled operator it does without.
    warnings.filterwarnings('ignore', 'Fail to import')
    # Names of files are bytes, which need not be text.
    sys.stdout.reconfigure(errors='surrogateescape')
    return options

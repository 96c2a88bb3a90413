"""What ``evaluate`` takes and prints: a configuration, a table of scores."""
import json
from typing import List

from mmengine.config import DictAction

from ..evaluation import evaluate
from ..upstream.tools import read_config
from . import new_parser


def main(words: List[str]) -> None:
    """Evaluate and print a table.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = new_parser('evaluate')
    parser.add_argument('config', help='configuration of the pre-training')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='file or URL with the weights; none: initial weights')
    parser.add_argument('--out', help='also write the result, as JSON')
    parser.add_argument(
        '--test-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='changes that make the test set out of the training set, in '
        'place of evaluation.test of the configuration: split=test')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='changes to the configuration')
    parser.add_argument('--seed', type=int, default=0, help='initial weights')
    parser.add_argument('--k', type=int, default=20, help='kNN neighbours')
    parser.add_argument('--temperature', type=float, default=0.07, help='kNN')
    parser.add_argument('--batch-size', type=int, default=256)
    parser.add_argument('--num-workers', type=int, default=0)
    parser.add_argument('--device', help='cpu, cuda, ...; none: GPU if any')
    options = vars(parser.parse_args(words))
    out = options.pop('out')
    config = read_config(options.pop('config'))
    config.merge_from_dict(options.pop('cfg_options') or {})
    result = evaluate(config, **options)
    print(f"train images  {result['num_train']:>8}\n"
          f"test images   {result['num_test']:>8}\n"
          f"kNN top-1     {result['knn']:>8.4f}\n"
          f"linear top-1  {result['linear']:>8.4f}")
    if out:
        with open(out, 'w') as file:
            json.dump(result, file, indent=2)
            file.write('\n')

"""How much a linear probe's penalty decides which arm of the panel leads.

    python benchmarks/probe_penalties.py --sets gtsrb --seeds 3 \
        --arms 'MoCo v2' 'relations, weights 1 and 0.5'

Reads the last checkpoints that ``study.py panel`` left in its ``--work-dir``
and scores the validation folds, never a test image. A row has kNN, the linear
probe at each penalty, how many directions the features really use, and how far
the bank's rows spread.
"""
import argparse
import logging
import statistics
from pathlib import Path
from typing import Sequence

import torch
from mmengine.config import DictAction
from mmengine.runner import find_latest_checkpoint
from panel import Cell, features_of, folds_of
from panel_sets import SETS
from studies import PANEL_ARMS

from interclr_plugin.checkpoints import load_state_dict
from interclr_plugin.evaluation import knn_accuracy, linear_accuracy
from interclr_plugin.monitors.measures import effective_rank, relative_std
from interclr_plugin.results.bank import read_bank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sets', nargs='+', choices=SETS, required=True)
    parser.add_argument('--arms', nargs='+', choices=PANEL_ARMS, required=True)
    parser.add_argument('--seeds', type=int, nargs='+', required=True)
    parser.add_argument(
        '--penalties', type=float, nargs='*', default=(1, 30, 300))
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/panel'))
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={})
    parser.set_defaults(results=Path(), confirm=False, full=False, workers=0)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    print('| set | seed | arm | kNN' + ''.join(
        f' | linear, penalty {penalty:g}' for penalty in options.penalties) +
        ' | effective rank | relative_std |')
    print('| --- ' * (6 + len(options.penalties)) + '|')
    for name in options.sets:
        for seed in options.seeds:
            for arm in options.arms:
                cell = Cell(name, arm, seed, options, options.cfg_options)
                print(row(cell, options.penalties), flush=True)


def row(cell: Cell, penalties: Sequence[float]) -> str:
    config = cell.config()
    checkpoint = find_latest_checkpoint(str(cell.folder))
    features, classes = features_of(config, checkpoint)
    parts = folds_of(cell, features, classes)
    scores = [statistics.mean(knn_accuracy(*part) for part in parts)]
    for penalty in penalties:
        scores.append(
            statistics.mean(
                linear_accuracy(*part, penalty=penalty) for part in parts))
    rank = effective_rank(torch.from_numpy(features))
    spread = relative_std(read_bank(load_state_dict(checkpoint)).features)
    return (f'| {cell.name} | {cell.seed} | {cell.arm} | ' +
            ' | '.join(f'{score:.4f}' for score in scores) +
            f' | {rank:.1f} | {spread:.3f} |')


if __name__ == '__main__':
    main()

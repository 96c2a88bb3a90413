"""Whether the report's verdict without labels agrees with the labels.

    python benchmarks/verdicts.py

Short trainings on digits that learn, collapse, diverge, hardly start or stand
still. Of each the report's verdict is asked for without labels; then kNN on
the test images, which the verdict has not seen, says what it should have
been. Finished trainings are kept: a second call goes on from there. Prints a
Markdown table.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, NamedTuple, Tuple

os.environ.setdefault('OMP_NUM_THREADS', '1')

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
LR = 'optim_wrapper.optimizer.lr'
# A decay that is stronger than what is learned: all weights go to 0.
COLLAPSE = {LR: 0.03, 'optim_wrapper.optimizer.weight_decay': 3.0}


class Arm(NamedTuple):
    """A training that goes well, or in one way wrong."""
    what: str
    algorithm: str
    library: str
    epochs: int
    changes: Dict[str, float]


ARMS = (
    Arm('learns', 'moco', 'mmselfsup', 20, {}),
    Arm('learns', 'simclr', 'mmpretrain', 20, {}),
    Arm('learns', 'byol', 'mmselfsup', 20, {}),
    Arm('learns', 'simsiam', 'mmpretrain', 20, {}),
    Arm('learns, MoCo alone', 'moco', 'mmpretrain', 20,
        {'model.inter_weight': 0}),
    Arm('collapses', 'moco', 'mmselfsup', 6, COLLAPSE),
    Arm('collapses', 'simsiam', 'mmpretrain', 6, COLLAPSE),
    Arm('diverges', 'simclr', 'mmselfsup', 4, {LR: 1e4}),
    Arm('diverges', 'byol', 'mmpretrain', 4, {LR: 1e4}),
    Arm('too short', 'moco', 'mmselfsup', 1, {}),
    Arm('too short', 'simclr', 'mmpretrain', 1, {}),
    Arm('stands still', 'simsiam', 'mmselfsup', 4, {LR: 0.}),
    Arm('stands still', 'byol', 'mmpretrain', 4, {LR: 0.}),
)


def train(arm: Arm, seed: int, folder: Path) -> None:
    """Train in a process of its own, whose crash is a result too."""
    changes = {
        'train_cfg.max_epochs': arm.epochs,
        'randomness.seed': seed,
        'default_hooks.logger.interval': 5,
        'default_hooks.checkpoint.interval': max(arm.epochs // 4, 1),
        **arm.changes
    }
    config = next((CONFIGS / arm.library).glob(
        f'interclr-{arm.algorithm}_*_digits_{arm.library}.py'))
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, '-m', 'interclr_plugin', 'train', str(config),
        '--work-dir', str(folder), '--cfg-options',
        *(f'{name}={value}' for name, value in changes.items())
    ]
    with open(folder / 'output.txt', 'w') as output:
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)

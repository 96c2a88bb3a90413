"""Monitors over two gloo processes."""
import json

import pytest
import torch
from test_monitors import EVERY_EPOCH, EVERY_FOUR, MONITORS, SIZES
from test_two_processes import run_two


@pytest.mark.slow
@pytest.mark.matrix  # test_two_processes.py has the monitors in another run
def test_processes_stay_in_step(tmp_path):
    """Without it a monitor could wait for the other process for ever, or
    change what they have alike; or log values of one process's batch."""
    first, second = run_two(
        'mmpretrain',
        tmp_path,
        MONITORS,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        changes={
            'train_cfg.max_iters': 8,
            'custom_hooks.0.statistics_interval': 4
        })
    for name, value in first.items():
        if 'running_' not in name:
            assert torch.equal(value, second[name]), name
    path, = tmp_path.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for name in EVERY_FOUR | EVERY_EPOCH | SIZES:
        measured = [
            line['step'] for line in lines
            if name in line and 'loss' not in line
        ]
        # The data set has 6 batches: a pass of two processes takes 3 steps.
        # What is measured by epochs also is at the last step.
        expected = [4, 8] if name in EVERY_FOUR else [3, 6, 8]
        if name in ('clusters/churn', 'clusters/repaired'):
            expected = [3, 6]
        elif name in SIZES:
            expected = [3, 4, 6, 8]
        assert measured == expected, name

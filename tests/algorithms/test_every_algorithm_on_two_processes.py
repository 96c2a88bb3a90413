"""Every algorithm over two gloo processes."""
import gloo
import pytest
import torch
from small_run import ALGORITHMS, runner_of, small

pytestmark = pytest.mark.slow


def run(rank, folder):
    for name, path in ALGORITHMS.items():
        config = small(path, folder / name)
        gloo.train_together(config, find_unused_parameters=True)
        config.default_hooks.checkpoint = None
        # torch has SyncBN, the default of some necks, for GPUs alone.
        for part in (config.model.neck, config.model.head.get('predictor'),
                     config.model.inter_image.get('neck')):
            if part and part.type in ('NonLinearNeck', 'SwAVNeck'):
                part.norm_cfg = dict(type='BN1d')
        runner = runner_of(config)
        runner.train()
        torch.save(runner.model.module.state_dict(),
                   folder / f'{name}.{rank}.pth')


def test_copies_stay_equal(tmp_path):
    """Without it the processes' banks, labels or weights could part with one
    of the algorithms: each gives its projections in another way."""
    gloo.spawn(run, 2, tmp_path)
    for name in ALGORITHMS:
        first, second = (
            torch.load(tmp_path / f'{name}.{rank}.pth', weights_only=True)
            for rank in range(2))
        assert first['inter_image.bank.step'] == 3
        for key, value in first.items():
            # Batch statistics are each process's own.
            if 'running_' not in key:
                assert torch.equal(value, second[key]), (name, key)

"""Every algorithm over two gloo processes."""
import os

import pytest
import torch
import torch.distributed as torch_dist
from small_run import ALGORITHMS, runner_of, small
from torch import multiprocessing

pytestmark = pytest.mark.slow


def run(rank, folder):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2')
    torch.set_num_threads(1)
    torch_dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=2)
    for name, path in ALGORITHMS.items():
        config = small(path, folder / name)
        config.launcher = 'pytorch'
        config.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            device_ids=None,
            find_unused_parameters=True)
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
    torch_dist.barrier()
    # With torch 2.1 the process group's destructor can hang.
    os._exit(0)


def test_copies_stay_equal(tmp_path):
    """Without it the processes' banks, labels or weights could part with one
    of the algorithms: each gives its projections in another way."""
    multiprocessing.spawn(run, (tmp_path, ), nprocs=2)
    for name in ALGORITHMS:
        first, second = (
            torch.load(tmp_path / f'{name}.{rank}.pth', weights_only=True)
            for rank in range(2))
        assert first['inter_image.bank.step'] == 3
        for key, value in first.items():
            # Batch statistics are each process's own.
            if 'running_' not in key:
                assert torch.equal(value, second[key]), (name, key)

"""Processes of a test that talk to each other, by gloo."""
import os
import tempfile
from datetime import timedelta

import torch
import torch.distributed as torch_dist
from torch import multiprocessing


def spawn(work, world, *args):
    """Call ``work(rank, *args)`` in so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(
            _work, (work, world, f'{folder}/store', args), nprocs=world)


def _work(rank, work, world, store, args):
    join(rank, world, store)
    work(rank, *args)
    leave()


def join(rank, world, store):
    """Make this process one of a group, which meets at a new file."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world))
    torch.set_num_threads(1)
    torch_dist.init_process_group(
        'gloo',
        init_method=f'file://{store}',
        rank=rank,
        world_size=world,
        # A process that waits for the other in vain shall fail its test.
        timeout=timedelta(minutes=4))


def leave():
    """End this process, when the others end too."""
    torch_dist.barrier()
    # Not destroy_process_group(), nor a normal exit: gloo's destructor waits
    # for its threads with Python's lock held, and in torch 2.1 one of them
    # may need this lock to free the tensors of the last collective.
    os._exit(0)


def train_together(config, **options):
    """Change a configuration to one of the group's; mmengine starts none."""
    config.launcher = 'pytorch'
    config.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        device_ids=None,
        **options)

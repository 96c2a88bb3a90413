"""When processes save and load the rows of a sharded bank: each its own."""
import functools
import os
from typing import Any, Optional

from mmengine import dist
from mmengine.fileio import join_path
from mmengine.runner import Runner, find_latest_checkpoint

from ..checkpoints import bank_shards
from ..inter_image import ClusteredBank


def save_shards_too(runner: Runner, bank: ClusteredBank) -> None:
    """Have every checkpoint of a run written with a file of each process.

    mmengine calls ``save_checkpoint`` on every process and hooks on the main
    one alone, so there is no hook that could do it.

    Args:
        runner (Runner): Whose ``save_checkpoint`` is wrapped.
        bank (ClusteredBank): Sharded, or nothing is done.

    Source: mmengine 0.10.7 ``runner.Runner.save_checkpoint``.
    """
    if len(bank.rows.held) == len(bank.rows):
        return
    stock = runner.save_checkpoint

    @functools.wraps(stock)
    def save_checkpoint(out_dir: str,
                        filename: str,
                        *args,
                        meta: Optional[dict] = None,
                        backend_args: Optional[dict] = None,
                        **kwargs) -> None:
        token = [os.urandom(4).hex()]
        dist.broadcast_object_list(token)
        rank, world = dist.get_rank(), dist.get_world_size()
        names = [
            bank_shards.name_of(filename, *token, each, world)
            for each in range(world)
        ]
        path = join_path(out_dir, names[rank], backend_args=backend_args)
        _together(lambda: bank_shards.write(bank.features, path, backend_args))
        shape = [bank.num_images, bank.features.shape[1]]
        bank.saves_rows = False
        try:
            stock(
                out_dir,
                filename,
                *args,
                meta={
                    **(meta or {}), bank_shards.KEY: dict(
                        files=names, shape=shape)
                },
                backend_args=backend_args,
                **kwargs)
        finally:
            bank.saves_rows = True
        if dist.is_main_process():
            bank_shards.remove_old(out_dir, filename, names, backend_args)

    runner.save_checkpoint = save_checkpoint


def find_shards(runner: Runner, checkpoint: dict) -> None:
    """Let a checkpoint that a run resumes lead to the rows of its bank.

    Args:
        runner (Runner): That resumes.
        checkpoint (dict): As it was loaded; changed in place.
    """
    path = runner._load_from or find_latest_checkpoint(runner.work_dir)
    bank_shards.attach(checkpoint, str(path))


def _together(action: Any) -> None:
    """Do something on every process, and fail on all where one does."""
    fault: Optional[Exception] = None
    try:
        action()
    except Exception as error:
        fault = error
    faults = dist.all_gather_object(fault and str(fault))
    for rank, text in enumerate(faults):
        if text is not None:
            raise OSError(
                f'Process {rank} could not save its rows of the memory bank: '
                f'{text}') from fault

"""A stopped run, resumed, ends as one that never stopped."""
import random
from typing import Any, Dict, List, Optional

import numpy as np
import torch
from mmengine import dist
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ..checkpoints.whole_checkpoint import require_whole_checkpoint
from ..settings import written_in
from .guarantee import guarantee

_KEY = 'random_states'
_SAMPLER_KEY = 'sampler_seed'


@HOOKS.register_module()
@written_in()
class ExactResumeHook(Hook):
    """Save what mmengine leaves out of a checkpoint.

    mmengine saves weights, optimizer, schedule and log, but no random state:
    the augmentation and MoCo's shuffling go on otherwise after a resume. With
    this hook the states of Python, NumPy and torch (and of each process's
    GPU) are in every checkpoint, and a run that is resumed from the end of an
    epoch gives the same bits as one that was never stopped.

    That holds on the CPU, for ``EpochBasedTrainLoop``, with any number of
    loader workers as long as ``persistent_workers=False``, on as many
    processes as before. A line in the log says at the start whether it does
    for this run. It does not hold

    - on CUDA, where some sums have no fixed order;
    - with ``persistent_workers=True``: what the workers drew so far is lost;
    - with ``IterBasedTrainLoop``, which fetches a batch before any hook can
      act;
    - on another number of processes: batches are other ones then. The run
      goes on with fresh random numbers and says so; bank and labels are
      kept.

    Source: mmengine 0.10.7 ``runner.Runner.resume`` and
    ``hooks.CheckpointHook``.
    """

    # After everything else that may draw at an epoch's end, and before
    # CheckpointHook (90).
    priority = 85

    def __init__(self) -> None:
        self._captured: Optional[List[dict]] = None
        self._restored: Optional[List[dict]] = None

    def before_run(self, runner: Runner) -> None:
        """Only a whole checkpoint is resumed."""
        require_whole_checkpoint(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            # mmengine built the sampler before it knew the run's seed.
            seed = checkpoint.get(_SAMPLER_KEY)
            if seed is not None:
                runner.train_dataloader.sampler.seed = seed
            self._restored = checkpoint.get(_KEY)
            if self._restored is None:
                runner.logger.warning(
                    'The checkpoint has no random states (it was saved '
                    'without ExactResumeHook): the run goes on with fresh '
                    'random numbers.')

    def before_train(self, runner: Runner) -> None:
        """Have a whole file after a kill; put the random states back."""
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook) and hook.max_keep_ckpts == 1:
                runner.logger.warning(
                    'max_keep_ckpts=1 deletes the last checkpoint before it '
                    'writes the next: a run killed in between has none. Set '
                    'default_hooks=dict(checkpoint=dict(max_keep_ckpts=2)).')
        runner.logger.info(guarantee(runner))
        states, self._restored = self._restored, None
        if states is None:
            return
        if len(states) != dist.get_world_size():
            runner.logger.warning(
                f'The checkpoint is of {len(states)} processes and this run '
                f'has {dist.get_world_size()}: it goes on with fresh random '
                'numbers, and its batches differ from those of an '
                'uninterrupted run.')
            return
        mine = states[dist.get_rank()]
        threads = torch.get_num_threads()
        if mine.get('threads', threads) != threads:
            runner.logger.warning(
                f'The checkpoint is of a run with {mine["threads"]} threads '
                f'and this one has {threads}: the last bits of sums differ. '
                f'For equal ones set OMP_NUM_THREADS={mine["threads"]}.')
        restore(mine)

    def after_train_epoch(self, runner: Runner) -> None:
        # Here, where all processes are: only one of them saves.
        self._captured = dist.all_gather_object(capture())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self._captured is not None:
            checkpoint[_KEY] = self._captured
        checkpoint[_SAMPLER_KEY] = getattr(runner.train_dataloader.sampler,
                                           'seed', None)


def capture() -> Dict[str, Any]:
    """Take this process's random states.

    Returns:
        dict: Of tensors and plain numbers, which load with ``weights_only``.
    """
    name, keys, *rest = np.random.get_state()
    version, numbers, gauss = random.getstate()
    states = dict(
        python=[version, torch.tensor(numbers), gauss],
        numpy=[name, torch.from_numpy(keys.astype(np.int64)), *rest],
        torch=torch.get_rng_state(),
        threads=torch.get_num_threads())
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def restore(states: Dict[str, Any]) -> None:
    """Go on from random states that :func:`capture` took.

    Args:
        states (dict): Tensors on any device.
    """
    version, numbers, gauss = states['python']
    random.setstate((version, tuple(numbers.tolist()), gauss))
    name, keys, *rest = states['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())

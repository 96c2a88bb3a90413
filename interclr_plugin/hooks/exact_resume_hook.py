"""A stopped run, resumed, ends as one that never stopped."""
from typing import List, Optional

import torch
from mmengine import dist
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator

from ..checkpoints.whole_checkpoint import require_whole_checkpoint
from ..datasets.random_states import capture, restore
from ..datasets.resumable_loader import ResumableLoader, not_resumable
from ..settings import written_in
from . import process_state
from .guarantee import guarantee

_KEY = 'random_states'
_SAMPLER_KEY = 'sampler_seed'


@HOOKS.register_module()
@written_in()
class ExactResumeHook(Hook):
    """Save what mmengine leaves out of a checkpoint.

    mmengine saves weights, optimizer, schedule and log, but no random state,
    nothing of the processes other than the first, no gradient that waits for
    further batches (``accumulative_counts``), and not which batches of an
    epoch were seen. With this hook all of that is in every checkpoint, and a
    run that is resumed from any of them, also in the middle of an epoch
    (``CheckpointHook(by_epoch=False)``), gives the same bits as one that was
    never stopped.

    That holds on the CPU, with ``EpochBasedTrainLoop`` and
    ``IterBasedTrainLoop``, with as many loader workers and processes as
    before, persistent workers or not. A line in the log says at the start
    whether it does for this run. It does not hold

    - on CUDA, where some sums have no fixed order;
    - with a loader of which :func:`~interclr_plugin.datasets.
      resumable_loader.not_resumable` names a reason, in the middle of an
      epoch;
    - on another number of processes or workers: batches are other ones then.
      The run goes on with fresh random numbers and says so; bank and labels
      are kept.

    Source: mmengine 0.10.7 ``runner.Runner.resume`` and
    ``hooks.CheckpointHook``.
    """

    # After everything else that may draw at an epoch's end, and before
    # CheckpointHook (90).
    priority = 85

    def __init__(self) -> None:
        self._noted: Optional[List[dict]] = None
        self._noted_at = -1  # steps
        self._restored: Optional[List[dict]] = None
        self._before_val: dict = {}
        self._loader: Optional[ResumableLoader] = None

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
        """Have a whole file after a kill; go on where the run was."""
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook) and hook.max_keep_ckpts == 1:
                runner.logger.warning(
                    'max_keep_ckpts=1 deletes the last checkpoint before it '
                    'writes the next: a run killed in between has none. Set '
                    'default_hooks=dict(checkpoint=dict(max_keep_ckpts=2)).')
        runner.logger.info(guarantee(runner))
        if not not_resumable(runner.train_dataloader):
            self._loader = ResumableLoader(runner.train_dataloader)
            runner.train_loop.dataloader = self._loader
        states, self._restored = self._restored, None
        if states is not None and len(states) != dist.get_world_size():
            runner.logger.warning(
                f'The checkpoint is of {len(states)} processes and this run '
                f'has {dist.get_world_size()}: it goes on with fresh random '
                'numbers, and its batches differ from those of an '
                'uninterrupted run.')
            states = None
        mine = {} if states is None else states[dist.get_rank()]
        if mine:
            threads = torch.get_num_threads()
            if mine.get('threads', threads) != threads:
                runner.logger.warning(
                    f'The checkpoint is of a run with {mine["threads"]} '
                    f'threads and this one has {threads}: the last bits of '
                    'sums differ. For equal ones set OMP_NUM_THREADS='
                    f'{mine["threads"]}.')
            process_state.put_back(runner, mine)
        if self._loader is not None:
            self._begin(runner, mine)

    def before_val(self, runner: Runner) -> None:
        self._before_val = capture()

    def after_val(self, runner: Runner) -> None:
        """Draw nothing: a run that is resumed after it does not repeat it."""
        restore(self._before_val)

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if any(
                isinstance(hook, CheckpointHook) and not hook.by_epoch and
            (hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
             or hook.save_last and hook.is_last_train_iter(runner))
                for hook in runner.hooks):
            self.note(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        self.note(runner, runner.iter)

    def note(self, runner: Runner, steps: int) -> None:
        """Take what a checkpoint is to hold, of all processes at once.

        Only one of them saves; this is called where all are.

        Args:
            runner (Runner): Of this process.
            steps (int): That are done.
        """
        position = self._loader.position() if self._loader else {}
        self._noted = process_state.gather(runner, position)
        self._noted_at = steps

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self._noted_at == checkpoint['meta']['iter']:
            checkpoint[_KEY] = self._noted
        elif 'optimizer' in checkpoint:  # it may be resumed
            runner.logger.warning(
                'A checkpoint is saved at a step that CheckpointHook did not '
                'choose: it has no random states.')
        checkpoint[_SAMPLER_KEY] = getattr(runner.train_dataloader.sampler,
                                           'seed', None)

    def _begin(self, runner: Runner, mine: dict) -> None:
        """Have the loop's first pass begin where the checkpoint's was."""
        loop, done = runner.train_loop, mine.get('done', 0)
        by_steps = isinstance(loop, IterBasedTrainLoop)
        passes = (runner.iter - done) // len(self._loader)
        if 'done' in mine:
            before, now = len(mine['workers']), self._loader.num_workers
            if before != now and done:
                runner.logger.warning(
                    f'The checkpoint is of {before} loader workers and this '
                    f'run has {now}: until the end of the epoch their random '
                    'numbers differ from those of an uninterrupted run.')
            self._loader.go_on_from(
                mine,
                seed=runner.seed,
                epoch=passes if by_steps else None,
                states=mine)
        if by_steps:
            loop.dataloader_iterator = _Later(self._loader, passes,
                                              runner.iter if done else 0)
        elif done:
            _number_from(loop, done)


class _Later(_InfiniteDataloaderIterator):
    """Batches of a loop that counts steps, without those it did before."""

    def __init__(self, loader: ResumableLoader, passes: int,
                 steps: int) -> None:
        super().__init__(loader)
        self._epoch = passes
        self._steps = steps

    def __next__(self):
        # The loop asks for all that it did, and throws them away.
        if self._steps:
            self._steps -= 1
            return None
        return super().__next__()


def _number_from(loop: object, done: int) -> None:
    """Let hooks see the number that a batch has in its whole epoch."""
    run_iter, run_epoch = loop.run_iter, loop.run_epoch

    def first_epoch() -> None:
        loop.run_iter = lambda idx, batch: run_iter(idx + done, batch)
        loop.run_epoch = run_epoch
        run_epoch()
        loop.run_iter = run_iter

    loop.run_epoch = first_epoch

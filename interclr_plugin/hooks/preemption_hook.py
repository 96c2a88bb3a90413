"""How a run ends that is told to: it saves first, and gives a code."""
import os.path as osp
import signal
import threading
from typing import Any, Optional

import torch
from mmengine import dist
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ..checkpoints.whole_checkpoint import PREEMPTED
from ..settings import check_least
from .exact_resume_hook import ExactResumeHook

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Save and end where a machine is taken away (SIGTERM), or at Ctrl-C.

    All processes end after the same step, whichever of them was told, with
    128 and the signal's number: exit code 143 for SIGTERM, 130 for SIGINT.
    The file ``preempted.pth`` lies where ``CheckpointHook`` has its own, and
    ``--resume`` goes on from it; with ``ExactResumeHook``, which is needed,
    as if nothing had happened. A second Ctrl-C ends a run at once.

    Args:
        interval (int): Steps after which several processes ask each other
            whether one was told; one that is alone asks after each. Defaults
            to 10.

    Raises:
        ValueError: If ``interval`` is below 1, or a hook is missing.
    """

    # The step is over, and its checkpoint, if any, is written.
    priority = 'LOWEST'

    def __init__(self, *, interval: int = 10) -> None:
        check_least('interval', interval, 1,
                    "dict(type='PreemptionHook', {})")
        self.interval = interval
        self._told = 0  # the signal's number
        self._before: dict = {}

    def before_train(self, runner: Runner) -> None:
        """Listen; loader processes do not (ResumableLoader)."""
        self._exact = _one_of(runner, ExactResumeHook, 'custom_hooks')
        self._files = _one_of(runner, CheckpointHook, 'default_hooks')
        # Elsewhere Python allows no handler.
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._listen)
                for number in _SIGNALS
            }

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if dist.get_world_size() > 1 and not self.every_n_train_iters(
                runner, self.interval):
            return
        told = torch.tensor(self._told)
        dist.all_reduce(told, 'max')
        if told:
            self._end(runner, int(told))

    def after_train(self, runner: Runner) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _listen(self, number: int, frame: Optional[Any]) -> None:
        if self._told and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._told = number

    def _end(self, runner: Runner, number: int) -> None:
        files, step = self._files, runner.iter + 1
        self._exact.note(runner, step)
        runner.save_checkpoint(
            files.out_dir,
            PREEMPTED,
            files.file_client_args,
            meta=dict(epoch=runner.epoch, iter=step),
            by_epoch=False,
            backend_args=files.backend_args)
        path = files.file_backend.join_path(files.out_dir, PREEMPTED)
        if dist.is_main_process():
            note = osp.join(runner.work_dir, 'last_checkpoint')
            with open(note, 'w') as file:
                file.write(path)
        # The first to end has the others ended.
        dist.barrier()
        runner.logger.warning(
            f'{signal.Signals(number).name} after step {step}: saved {path}. '
            f'Go on with --resume. Exit code {128 + number}.')
        raise SystemExit(128 + number)


def _one_of(runner: Runner, kind: type, where: str) -> Hook:
    for hook in runner.hooks:
        if isinstance(hook, kind):
            return hook
    raise ValueError(f'PreemptionHook needs {kind.__name__}: add '
                     f"dict(type='{kind.__name__}') to {where}.")

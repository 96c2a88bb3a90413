"""What all monitors share: when they measure."""
from typing import Dict, Optional

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.hooks import RemovableHandle

from ..inter_image import InterImageBranch
from ..runner import log_scalars, steps_per_pass, unwrap
from ..settings import check_least


class Monitor(Hook):
    """Measure something now and then, and change nothing.

    A monitor draws from generators of its own and writes to no buffer: a run
    with it gives the same weights, bit by bit, as one without.

    Args:
        interval (int): Steps, or epochs for a monitor whose ``by_epoch`` is
            True, between two measurements. Defaults to 50.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    # After MemoryBankHook has moved the labels, before LoggerHook.
    priority = 'NORMAL'
    by_epoch = False
    _handle: Optional[RemovableHandle] = None

    def __init__(self, *, interval: int = 50) -> None:
        check_least('interval', interval, 1,
                    f"dict(type='{type(self).__name__}', {{}})")
        self.interval = interval

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        """Measure; on every process at the same step.

        Args:
            runner (Runner): Of the training.
            model (nn.Module): Without a wrapper.
            branch (InterImageBranch): The model's, with labels.

        Returns:
            dict: Values by their names in the log.
        """
        raise NotImplementedError

    def is_due(self, runner: Runner) -> bool:
        """Tell whether the step in progress is one to measure at.

        Args:
            runner (Runner): Of the training.

        Returns:
            bool: By epochs, the last step of the run is one too.
        """
        if not self.by_epoch:
            return self.every_n_train_iters(runner, self.interval)
        step = runner.iter + 1
        return step == runner.max_iters or is_nth_epoch_s_end(
            runner, self.interval)

    def listen(self, branch: InterImageBranch) -> Optional[RemovableHandle]:
        """Ahead of a step that is measured, listen to what it computes.

        Args:
            branch (InterImageBranch): The model's.

        Returns:
            RemovableHandle, optional: Of a torch hook, for this step alone.
        """

    def before_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if self.is_due(runner):
            branch = unwrap(runner, type(self).__name__).inter_image
            self._handle = self.listen(branch)

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if not self.is_due(runner):
            return
        if self._handle is not None:
            self._handle.remove()
        model = unwrap(runner, type(self).__name__)
        if model.inter_image.bank.status != 'clustered':
            return  # there are no labels yet
        with torch.no_grad():
            values = self.measure(runner, model, model.inter_image)
        log_scalars(runner, values)


def is_nth_epoch_s_end(runner: Runner, interval: int = 1) -> bool:
    """Tell whether the step in progress ends every n-th epoch.

    Args:
        runner (Runner): Of the training, by epochs or by steps.
        interval (int): n. Defaults to 1.

    Returns:
        bool: In terms of passes over the data, also where a run counts steps.
    """
    return (runner.iter + 1) % (interval * steps_per_pass(runner)) == 0

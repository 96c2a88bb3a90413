"""Warnings of what goes wrong in silence."""
from typing import Dict, List

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ..algorithms.inter_clr import InterCLRMixin
from ..inter_image import RelationLoss
from ..runner import steps_per_pass, unwrap
from ..settings import check_least, written_in
from . import alarms
from .representation_monitor import RepresentationMonitor

# Labels have had time to settle: this share of the run, and these epochs.
_LATE, _LATE_EPOCHS = 0.8, 20
# Steps that are judged together; an epoch's where it is shorter.
_WINDOW = 200


@HOOKS.register_module()
@written_in()
class AlarmHook(Hook):
    """Warn of a training that fails without an error.

    It looks at what is logged anyway and warns once for each cause, with what
    was seen, why it may be and what to change. When a cause is gone it says
    so, and would warn again. After a resume, what still holds is told again.

    - collapse: features of different images become equal, or are still much
      alike in the last fifth of a run and from its 20th epoch on. Needs
      :class:`RepresentationMonitor`.
    - one cluster: it holds most images.
    - restless labels: most labels still change when their image is seen, in
      the last fifth of a run and from its 20th epoch on.
    - dead inter-image loss: it is 0, does not move, or stays at the value
      that features without any information give; with relations also where it
      is above that value in the last fifth.

    Args:
        interval (int): Steps between two looks. Defaults to 50.
        grace_epochs (float): Nothing is said in so many epochs at the start:
            to an untrained network all images look much alike. Defaults to 1.
        min_relative_std (float): Collapse below this
            ``representation/relative_std``. Defaults to 0.05.
        min_late_relative_std (float): The same for the end of a run.
            Defaults to 0.5.
        min_effective_rank (float): Collapse below this
            ``representation/effective_rank``. Defaults to 2.
        max_largest (float): Share of all images that the largest cluster may
            have beyond its even share 1 / C. Defaults to 0.5.
        max_change_ratio (float): Mean ``change_ratio`` that labels may have
            late in the run. Defaults to 0.8.

    Raises:
        ValueError: If an argument is below its least value.
    """

    # After the monitors, before LoggerHook.
    priority = 55

    def __init__(self,
                 *,
                 interval: int = 50,
                 grace_epochs: float = 1.,
                 min_relative_std: float = 0.05,
                 min_late_relative_std: float = 0.5,
                 min_effective_rank: float = 2.,
                 max_largest: float = 0.5,
                 max_change_ratio: float = 0.8) -> None:
        place = "dict(type='AlarmHook', {})"
        check_least('interval', interval, 1, place)
        check_least('grace_epochs', grace_epochs, 0, place)
        check_least('min_relative_std', min_relative_std, 0, place)
        check_least('min_late_relative_std', min_late_relative_std, 0, place)
        check_least('min_effective_rank', min_effective_rank, 0, place)
        check_least('max_largest', max_largest, 0, place)
        check_least('max_change_ratio', max_change_ratio, 0, place)
        self.interval = interval
        self.grace_epochs = grace_epochs
        self.least = {
            'representation/relative_std': min_relative_std,
            'representation/effective_rank': min_effective_rank
        }
        self.least_late = dict(
            self.least,
            **{'representation/relative_std': min_late_relative_std})
        self.max_largest = max_largest
        self.max_change_ratio = max_change_ratio
        self._told: List[str] = []

    def before_train(self, runner: Runner) -> None:
        if not any(isinstance(h, RepresentationMonitor) for h in runner.hooks):
            runner.logger.warning(
                'AlarmHook notices a collapse only with '
                "dict(type='RepresentationMonitor') in custom_hooks.")

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Look, and warn of what was not told yet."""
        step = runner.iter + 1
        grace = self.grace_epochs * steps_per_pass(runner)
        if step <= grace or not self.every_n_train_iters(
                runner, self.interval):
            return
        found = self.causes(runner)
        for name, text in found.items():
            if name not in self._told:
                runner.logger.warning(f'Step {step}: {text}')
        for name in self._told:
            if name not in found:
                runner.logger.info(
                    f'Step {step}: the alarm "{name}" no longer holds.')
        self._told = list(found)

    def causes(self, runner: Runner) -> Dict[str, str]:
        """Look for what is wrong at the moment.

        Args:
            runner (Runner): Of the training.

        Returns:
            dict[str, str]: Texts of warnings by the names of the causes.
        """
        model = unwrap(runner, 'AlarmHook')
        branch = model.inter_image
        history = {
            name: values.data[0]
            for name, values in runner.message_hub.log_scalars.items()
        }
        last = {
            name: history[f'train/{name}'][-1]
            for name in (*self.least, 'clusters/largest')
            if f'train/{name}' in history
        }
        step, epoch = runner.iter + 1, steps_per_pass(runner)
        done = step / runner.max_iters
        late = done >= _LATE and step >= _LATE_EPOCHS * epoch
        found = {
            'collapse':
            alarms.collapse(last, self.least_late if late else self.least)
        }
        if 'clusters/largest' in last:
            found['one cluster'] = alarms.one_cluster(
                last['clusters/largest'], branch.num_images,
                branch.labels.num_clusters, self.max_largest)
        window = min(_WINDOW, epoch)
        ratios = history.get('train/change_ratio', np.empty(0))[-window:]
        if late:
            found['restless labels'] = alarms.restless_labels(
                ratios, self.max_change_ratio, done)
        losses = history.get('train/inter_loss', np.empty(0))[-window:]
        if len(losses) == window:
            found['dead inter-image loss'] = alarms.dead_loss(
                losses, _chances(model), model.inter_weight,
                # Their candidates are drawn uniformly: whoever knows nothing
                # has the loss of chance, and whoever knows little less.
                late and isinstance(branch.loss, RelationLoss))
        return {name: text for name, text in found.items() if text}


def _chances(model: InterCLRMixin) -> List[float]:
    # All similarities equal: with the arc margin it matters to what.
    branch = model.inter_image
    size = 1, branch.sampler.num_negatives
    negatives = torch.zeros(size, device=branch.bank.labels.device)
    with torch.no_grad():
        return [
            model.inter_weight *
            float(branch.loss(like[:, 0], like, like < 2))
            for like in (negatives, negatives + 1)
        ]

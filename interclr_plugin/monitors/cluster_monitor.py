"""How the clusters' sizes and the labels fare."""
from typing import Dict, Optional

import torch
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ..inter_image import InterImageBranch, OfflineKMeans
from ..runner import log_scalars, unwrap
from ..settings import written_in
from .measures import size_entropy
from .monitor import Monitor, is_nth_epoch_s_end


@HOOKS.register_module()
@written_in()
class ClusterMonitor(Monitor):
    """Log what becomes of the clusters.

    Beside :class:`MemoryBankHook`'s ``clusters/smallest``,
    ``clusters/largest`` and ``clusters/small``: every ``interval`` steps
    ``clusters/empty``, how many have no image, and ``clusters/entropy``, 1
    where all are of one size and 0 where one has everything; at each epoch's
    end ``clusters/repaired``, the labels that repairs of small clusters moved
    in that epoch, per image, and ``clusters/churn``, the share of images
    whose label differs from that at the last epoch's end. Offline labels have
    no churn: each clustering numbers its clusters anew.

    The first epoch's churn counts from the first clustering. A run resumed
    from an epoch's end logs the same churn as one that never stopped; resumed
    from the middle of an epoch, its first churn counts from there.

    Args:
        interval (int): Steps between two measurements. Defaults to 50.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    _before: Optional[Tensor] = None

    def before_train(self, runner: Runner) -> None:
        # A checkpoint of an epoch's end holds that epoch's labels.
        self._note(unwrap(runner, type(self).__name__).inter_image)

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        sizes = branch.bank.sizes()
        empty, entropy = torch.stack(
            ((sizes == 0).sum().double(), size_entropy(sizes))).tolist()
        return {'clusters/empty': int(empty), 'clusters/entropy': entropy}

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        super().after_train_iter(runner, *args, **kwargs)
        if not is_nth_epoch_s_end(runner):
            return
        branch = unwrap(runner, type(self).__name__).inter_image
        if self._before is not None:
            moved = (branch.bank.labels != self._before).float().mean()
            repaired = branch.labels.num_repaired - self._repaired
            log_scalars(
                runner, {
                    'clusters/churn': float(moved),
                    'clusters/repaired': repaired / branch.num_images
                })
        self._note(branch)

    def _note(self, branch: InterImageBranch) -> None:
        online = not isinstance(branch.labels, OfflineKMeans)
        if online and branch.bank.status == 'clustered':
            self._before = branch.bank.labels.clone()
        self._repaired = branch.labels.num_repaired

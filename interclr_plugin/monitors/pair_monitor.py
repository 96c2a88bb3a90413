"""What the positives and negatives of a step are like."""
from typing import Dict

import torch
from mmengine import dist
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..inter_image import InterImageBranch, MarginNCELoss
from ..settings import written_in
from .measures import hardest_share
from .monitor import Monitor


@HOOKS.register_module()
@written_in()
class PairMonitor(Monitor):
    """Log how similar the pairs of a step are, over all processes.

    ``pairs/positive_similarity`` and ``pairs/negative_similarity``, mean
    cosines with the queries; ``pairs/hardest_share``, how much of the
    gradient of an image's negatives comes from the most similar hundredth of
    them (at least one). With relations every image counts as a positive, as
    much as the sampler says, and is among the negatives too.

    It listens to what the branch's loss is given, in the steps that are
    measured alone: nothing is computed twice. Steps without inter-image loss
    (warm-up) have no pairs, and log nothing.

    Args:
        interval (int): Steps between two measurements. Defaults to 50.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    def listen(self, branch: InterImageBranch) -> RemovableHandle:
        self._sums = 0
        return branch.loss.register_forward_pre_hook(self._add)

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        if not isinstance(self._sums, Tensor):
            return {}
        dist.all_reduce(self._sums)
        positive, queries, negative, slots, hardest, with_negatives = \
            self._sums.tolist()
        values = {'pairs/positive_similarity': positive / queries}
        if slots:
            values['pairs/negative_similarity'] = negative / slots
            values['pairs/hardest_share'] = hardest / with_negatives
        return values

    def _add(self, loss: MarginNCELoss, given: tuple) -> None:
        # Called for each part of the batch, where it comes in parts.
        with torch.no_grad():
            positive, negatives, valid = given
            hardest = hardest_share(negatives, valid, loss.temperature)
            self._sums = self._sums + torch.stack([
                positive.sum(),
                torch.ones_like(positive).sum(),
                negatives[valid].sum(),
                valid.sum().float(),
                hardest.sum(),
                valid.any(1).sum().float(),
            ]).double()

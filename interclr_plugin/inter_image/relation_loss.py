"""The loss that asks of a query to be as alike to others as it is told."""
import math

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..settings import written_in


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(loss=dict({})))')
class RelationLoss(nn.Module):
    """Cross entropy between how alike images shall be, and how alike they are.

    Args:
        temperature (float): T, above 0. Defaults to 0.1.

    Raises:
        ValueError: If ``temperature`` is outside its range.

    Source: docs/method.md 5.1; ReSSL, Zheng et al., NeurIPS 2021.
    """

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ValueError(
                f'temperature={temperature} must be above 0 and finite. '
                'Change inter_image=dict(loss=dict(temperature=...)).')
        self.temperature = temperature

    def forward(self, positive: Tensor, negatives: Tensor,
                valid: Tensor) -> Tensor:
        """Compute the mean loss of a batch.

        Args:
            positive (Tensor): (B,) mean of the cosine similarities with M
                images, weighed by what each counts, 1 in all.
            negatives (Tensor): (B, M) these similarities.
            valid (Tensor): (B, M) bool, False for an image that counts
                nothing; at least one is True.

        Returns:
            Tensor: () the mean over the batch.
        """
        logits = negatives.masked_fill(~valid, -math.inf) / self.temperature
        # The weights add up to 1: their mean is all of them that matters.
        loss = _LogSumExp.apply(logits) - positive / self.temperature
        return loss.mean()


class _LogSumExp(torch.autograd.Function):
    """Of each row, (B, M) to (B,). torch's own takes twice the time on a CPU,
    and computes in the backward pass what the forward pass has known."""

    @staticmethod
    def forward(ctx, logits: Tensor) -> Tensor:
        largest = logits.amax(1, keepdim=True)
        shares = (logits - largest).exp_()
        total = shares.sum(1, keepdim=True)
        ctx.save_for_backward(shares.div_(total))
        return (largest + total.log()).squeeze(1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        shares, = ctx.saved_tensors
        return shares * gradient.unsqueeze(1)

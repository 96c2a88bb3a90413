"""How a batch's loss and gradient are computed, ahead of the backward pass."""
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .clustered_bank import ClusteredBank
from .sampler import Sampler


def contrast(query: Tensor, index: Tensor, bank: ClusteredBank,
             sampler: Sampler, measure: nn.Module,
             at_once: Optional[int]) -> Tensor:
    """Draw pairs, and compute the loss that they give.

    The bank is constant in the loss, so the gradient of the query is computed
    here at once. Nothing of the size of the bank has to live until the
    backward pass, and the bank may be written in between.

    Args:
        query (Tensor): (B, D) projections of any length, with gradient.
        index (Tensor): (B,) the images' positions in the training set.
        bank (ClusteredBank): Read.
        sampler (Sampler): Chooses.
        measure (nn.Module): Measures: the loss.
        at_once (int, optional): Queries compared at a time. None: all.

    Returns:
        Tensor: () the mean loss, in float32.
    """
    draw = sampler.draw(index, bank.rows, bank.labels,
                        bank.random.own(query.device), bank.members)
    losses, gradients = [], []
    size = at_once or len(query)
    for start in range(0, len(query), size):
        some = slice(start, start + size)
        leaf = query.detach()[some].float()
        leaf.requires_grad_()
        with torch.enable_grad():
            pairs = sampler.compare(
                F.normalize(leaf, dim=1), index[some], bank.features,
                bank.labels, draw.part(some))
            loss = measure(pairs.positive_similarity,
                           pairs.negative_similarity, pairs.valid)
            loss = loss * (len(leaf) / len(query))
            gradients.append(torch.autograd.grad(loss, leaf)[0])
        losses.append(loss.detach())
    return _KnownGradient.apply(query,
                                torch.stack(losses).sum(),
                                torch.cat(gradients))


class _KnownGradient(torch.autograd.Function):

    @staticmethod
    def forward(ctx, query: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        ctx.dtype = query.dtype
        return loss.clone()

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tuple[Tensor, None, None]:
        gradient, = ctx.saved_tensors
        # Scaled in float32 first: a loss scale is there to save gradients
        # that half precision would round to 0.
        return (upstream * gradient).to(ctx.dtype), None, None

"""Products of queries with the rows of a bank, in any precision."""
from typing import Tuple

import torch
from torch import Tensor

_CHUNK_ROWS = 1 << 15


def products(query: Tensor, rows: Tensor) -> Tensor:
    """Compare queries with rows.

    Rows in half precision are converted a part at a time: there is never a
    copy of the bank in float32.

    Args:
        query (Tensor): (b, D).
        rows (Tensor): (M, D), of the same or a lower precision.

    Returns:
        Tensor: (b, M) in the precision of the queries, without gradient.
    """
    if rows.dtype == query.dtype:
        return query @ rows.t()
    return torch.cat(
        [query @ part.to(query).t() for part in rows.split(_CHUNK_ROWS)], 1)


class Chosen(torch.autograd.Function):
    """Similarities that are known already, with their gradient."""

    @staticmethod
    def forward(ctx, query: Tensor, rows: Tensor, columns: Tensor,
                chosen: Tensor, similarity: Tensor) -> Tensor:
        # The memory of all similarities serves again in the backward pass.
        ctx.save_for_backward(rows, columns, similarity)
        return chosen.clone()

    @staticmethod
    def backward(
            ctx,
            gradient: Tensor) -> Tuple[Tensor, None, None, None, None]:
        rows, columns, weights = ctx.saved_tensors
        # One product, with zero for all others: gathering the rows of each
        # query's negatives would take B x K x D.
        weights.zero_().scatter_(1, columns, gradient)
        if rows.dtype == weights.dtype:
            return weights @ rows, None, None, None, None
        parts = zip(weights.split(_CHUNK_ROWS, 1), rows.split(_CHUNK_ROWS))
        total = sum(each @ part.to(each) for each, part in parts)
        return total, None, None, None, None

"""How queries are compared with the rows of a bank, and the best chosen."""
from typing import Dict, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK_ROWS = 1 << 15
# 128 floats each: a megabyte, the size of a core's own cache.
_CACHED_ROWS = 1 << 11
# Numbers ranked at a time: their indices take 8 MiB.
_RANKED = 1 << 20


class Similarities:
    """Compare queries with rows, in memory that is kept from step to step.

    New pages cost more than the work that is done in them. What was given
    before is overwritten by the next call.
    """

    def __init__(self) -> None:
        self._kept: Dict[str, Tensor] = {}

    def __call__(self,
                 query: Tensor,
                 features: Tensor,
                 index: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """Compare all pairs.

        Args:
            query (Tensor): (b, D).
            features (Tensor): (N, D), of the same or a lower precision: parts
                are converted, there is never a copy of all in float32.
            index (Tensor, optional): (M,) the rows that count. Defaults to
                None: all, so M = N.

        Returns:
            tuple[Tensor, Tensor]: (M, D) the rows, and (b, M) products in the
            precision of the queries, without gradient.
        """
        rows = features
        if index is not None:
            rows = self._take('rows', features, len(index), features.shape[1])
        result = self._take('products', query, len(query), len(rows))
        # Rows that were just gathered are compared while they are in the
        # core's cache; a GPU rather wants few and large pieces.
        size = _CACHED_ROWS if rows.device.type == 'cpu' else _CHUNK_ROWS
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            if index is not None:
                torch.index_select(features, 0, index[part], out=rows[part])
            torch.mm(query, rows[part].to(query).t(), out=result[:, part])
        return rows, result

    def _take(self, name: str, like: Tensor, height: int,
              width: int) -> Tensor:
        kept = self._kept.get(name)
        if kept is None or (kept.dtype, kept.device) != (
                like.dtype, like.device) or kept.numel() < height * width:
            kept = like.new_empty(height * width)
            self._kept[name] = kept
        return kept[:height * width].view(height, width)

    def __reduce__(self) -> tuple:
        # A copy of the model, or its file, needs none of this memory.
        return Similarities, ()


def choose(scores: Tensor, count: int, largest: bool = True) -> Tensor:
    """Choose the largest numbers of each row, as ``torch.topk`` does.

    Args:
        scores (Tensor): (b, M).
        count (int): K, at most M.
        largest (bool): False: the smallest. Defaults to True.

    Returns:
        Tensor: (b, K) columns, in no order; among equal numbers any.
    """
    if scores.device.type != 'cpu' or scores.dtype != torch.float32:
        return scores.topk(count, 1, largest, sorted=False).indices
    # numpy compares many numbers at once: a fifth of the time.
    width = scores.shape[1]
    place = width - count if largest else count - 1
    kept = slice(place, None) if largest else slice(count)
    chosen = np.empty((len(scores), count), np.int64)
    rows = max(1, _RANKED // width)
    for start in range(0, len(scores), rows):
        part = slice(start, start + rows)
        order = np.argpartition(scores[part].numpy(), place, axis=1)
        chosen[part] = order[:, kept]
    return torch.from_numpy(chosen)


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
        if (rows.device.type == 'cpu' and rows.dtype == gradient.dtype and
                4 * columns.shape[1] <= len(rows)):
            # Few of the rows, added up one by one without a copy of them; of
            # more than a quarter the product below is faster.
            total = F.embedding_bag(
                columns, rows, mode='sum', per_sample_weights=gradient)
            return total, None, None, None, None
        # One product, with zero for all others: gathering the rows of each
        # query's negatives would take B x K x D.
        weights.zero_().scatter_(1, columns, gradient)
        if rows.dtype == weights.dtype:
            return weights @ rows, None, None, None, None
        parts = zip(weights.split(_CHUNK_ROWS, 1), rows.split(_CHUNK_ROWS))
        total = sum(each @ part.to(each) for each, part in parts)
        return total, None, None, None, None

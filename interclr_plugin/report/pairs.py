"""Queries with the images that the loss compares them with."""
from typing import Dict, List, NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor

from ..results.bank import Bank

# Queries compared with the whole bank at a time: 164 MB for ImageNet.
_AT_ONCE = 32


class Pairs(NamedTuple):
    """An image and its company: positions in the training set."""
    query: int
    positives: List[int]  # drawn among those with its pseudo-label
    negatives: List[int]  # the most similar ones of other pseudo-labels
    similarity: Dict[int, float]  # of each with the query, cosine


def choose_pairs(bank: Bank,
                 *,
                 queries: int,
                 count: int,
                 seed: int = 0) -> List[Pairs]:
    """Draw queries, and positives for each; rank its negatives.

    A query is an image's row of the bank: its latest key.

    Args:
        bank (Bank): Of the checkpoint.
        queries (int): At most so many.
        count (int): Positives and negatives of each, at most.
        seed (int): Of the draws.

    Returns:
        list[Pairs]: In the order drawn; an image alone in its cluster has no
        positives.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(
        len(bank.labels), generator=generator)[:queries]
    features = bank.features.float()
    result = []
    for part in drawn.split(_AT_ONCE):
        similarity = features[part] @ features.t()  # (b, N)
        same = bank.labels[part].unsqueeze(1) == bank.labels  # (b, N)
        for query, row, mates in zip(part.tolist(), similarity, same):
            result.append(
                _pairs_of(query, row, mates, count, generator))
    return result


def true_shares(pairs: List[Pairs], classes: np.ndarray) -> Dict[str, float]:
    """Compare pseudo-labels with true classes, for these pairs.

    Args:
        pairs (list[Pairs]): Of many queries.
        classes (ndarray): (N,) int, the true classes.

    Returns:
        dict: ``positives`` and ``negatives``: the share of each that has the
        query's own true class, 0 to 1; NaN where there is none.
    """
    shares = {}
    for kind in ('positives', 'negatives'):
        hits = [
            classes[each.query] == classes[other] for each in pairs
            for other in getattr(each, kind)
        ]
        shares[kind] = float(np.mean(hits)) if hits else float('nan')
    return shares


def _pairs_of(query: int, similarity: Tensor, same: Tensor, count: int,
              generator: Optional[torch.Generator]) -> Pairs:
    mates = same.clone()
    mates[query] = False  # an image is no news about itself
    mates = mates.nonzero().squeeze(1)
    order = torch.randperm(len(mates), generator=generator)[:count]
    positives = mates[order].tolist()
    others = similarity.masked_fill(same, -2.)
    count = min(count, int((~same).sum()))
    negatives = others.topk(count).indices.tolist()
    return Pairs(query, positives, negatives, {
        index: float(similarity[index])
        for index in positives + negatives
    })

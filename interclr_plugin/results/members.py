"""Clusters of a checkpoint, and which of their members to look at."""
from typing import Dict, List, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .bank import Bank, read_bank


class Members(NamedTuple):
    """Some members of a cluster: positions in the training set."""
    cluster: int
    size: int
    nearest: List[int]  # to the centroid, nearest first
    median: List[int]
    farthest: List[int]  # farthest last
    similarity: Dict[int, float]  # of each with the centroid, cosine


def cluster_sizes(state: Dict[str, Tensor]) -> List[int]:
    """Images per cluster.

    Args:
        state (dict[str, Tensor]): Weights of a checkpoint.

    Returns:
        list[int]: Largest first; empty where the run had no clusters.
    """
    bank = read_bank(state)
    if bank is None:
        return []
    sizes = torch.bincount(bank.labels, minlength=len(bank.centroids))
    return sizes.sort(descending=True)[0].tolist()


def choose_clusters(labels: Tensor, count: int) -> List[int]:
    """Choose clusters at even steps between the largest and the smallest.

    Args:
        labels (Tensor): (N,) cluster numbers.
        count (int): At most so many.

    Returns:
        list[int]: Clusters with members, larger ones first; of equally large
        ones the lower number first.
    """
    sizes = torch.bincount(labels)
    order = torch.argsort(sizes, descending=True, stable=True)
    order = order[sizes[order] > 0].tolist()
    count = min(count, len(order))
    steps = max(count - 1, 1)
    return [order[round(i * (len(order) - 1) / steps)] for i in range(count)]


def choose_members(bank: Bank, cluster: int, count: int) -> Members:
    """Choose the members nearest to, farthest from, and midway to a centroid.

    Args:
        bank (Bank): Of the checkpoint.
        cluster (int): With one member or more.
        count (int): Of each kind, at most; no image is in two of them.

    Returns:
        Members: Of two members one is the nearest, one the farthest.
    """
    index = (bank.labels == cluster).nonzero().squeeze(1)  # (n,)
    centre = F.normalize(bank.centroids[cluster], dim=0)
    similarity = bank.features[index].float() @ centre  # (n,)
    order = torch.argsort(similarity, descending=True, stable=True)
    index, similarity = index[order].tolist(), similarity[order].tolist()
    size = len(index)
    count = min(count, max(size // 3, 1))
    middle = (size - count) // 2
    return Members(cluster, size, index[:count],
                   index[middle:middle + count] if size > 2 else [],
                   index[max(size - count, count):],
                   dict(zip(index, similarity)))

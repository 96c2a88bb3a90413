"""The memory bank in a checkpoint: its rows, clusters and similarities."""
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checkpoints.branch_names import BANK, rename_1_0
from ..inter_image.bank_state import STATUSES

# Rows that are brought to float32 at a time: 32 MB of 128 numbers each.
_BLOCK = 1 << 16


@dataclass
class Bank:
    """The inter-image branch's state in a checkpoint."""
    rows: Any  # (N, D), a tensor or what gives tensors for slices of it
    labels: Tensor  # (N,) cluster numbers
    centroids: Tensor  # (C, D) float32
    step: int  # of the training, when it was saved

    @cached_property
    def features(self) -> Tensor:
        """Tensor: (N, D) unit rows, in the bank's own precision."""
        return self.rows[:]


def read_bank(state: Dict[str, Tensor]) -> Optional[Bank]:
    """Find the branch's state.

    Args:
        state (dict[str, Tensor]): Weights of a checkpoint.

    Returns:
        Bank, optional: None where the run had no inter-image branch, or its
        first clustering was still to come.
    """
    state = dict(state)
    rename_1_0(state)
    if state.get(f'{BANK}status', 0) != STATUSES.index('clustered'):
        return None
    return Bank(state[f'{BANK}features'], state[f'{BANK}labels'].long(),
                state[f'{BANK}centroids'].float(), int(state[f'{BANK}step']))


def similarity_to_centroid(bank: Bank) -> Tensor:
    """Compare each row with the centroid of its own cluster.

    Args:
        bank (Bank): Of a checkpoint.

    Returns:
        Tensor: (N,) cosine, -1 to 1.
    """
    centroids = F.normalize(bank.centroids, dim=1)
    return torch.cat([
        (F.normalize(rows.float(), dim=1) * centroids[labels]).sum(1)
        for rows, labels in zip(
            bank.features.split(_BLOCK), bank.labels.split(_BLOCK))
    ])


def most_similar(query: Tensor,
                 features: Tensor,
                 k: int,
                 leave_out: Optional[int] = None) -> Tuple[Tensor, Tensor]:
    """Find the rows of the largest cosine with one vector.

    Args:
        query (Tensor): (D,), any length.
        features (Tensor): (N, D), any length and precision.
        k (int): How many, 1 to N, or to N - 1 with ``leave_out``.
        leave_out (int, optional): A row that is not to be found.

    Returns:
        tuple: (k,) rows, the most similar first, and (k,) their cosines.

    Raises:
        ValueError: ``k`` is outside its range.
    """
    most = len(features) - (leave_out is not None)
    if not 1 <= k <= most:
        raise ValueError(f'k={k} neighbours of {len(features)} images: '
                         f'allowed are 1 to {most}. Change k.')
    query = F.normalize(query.float(), dim=0)
    similarity = torch.cat([
        F.normalize(rows.float(), dim=1) @ query
        for rows in features.split(_BLOCK)
    ])
    order = similarity.argsort(descending=True, stable=True)
    if leave_out is not None:
        order = order[order != leave_out]
    return order[:k], similarity[order[:k]]

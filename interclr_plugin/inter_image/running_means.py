"""Means of clusters, kept up to date at the cost of what changes."""
from typing import Optional, Tuple, Union

import torch
from torch import Tensor

from ..distributed import first_occurrence

# Features are summed as whole numbers of 2^-32: nothing is rounded away when
# rows come and go, whatever their order, so a sum never drifts, is the same
# on every process and device, and is the same when it is made anew after a
# resume. 2^31 unit rows fit.
_UNIT = float(1 << 32)
_CHUNK_ROWS = 1 << 15


class RunningMeans:
    """Sums and sizes of clusters, from which the means take C x D steps.

    Derived from features and labels alone: no buffer, and made anew when
    either was written by anyone else.
    """

    def __init__(self) -> None:
        self._sums: Optional[Tensor] = None  # (C, D) int64
        self.sizes: Optional[Tensor] = None  # (C,) int64
        self._seen: Optional[Tuple[int, int, int]] = None

    def start(self, features: Tensor, labels: Tensor,
              num_clusters: int) -> None:
        """Sum up all rows, unless that is done.

        Args:
            features (Tensor): (N, D) unit rows.
            labels (Tensor): (N,) cluster numbers.
            num_clusters (int): C.
        """
        if self._seen == _versions(features, labels):
            return
        self._sums = torch.zeros(
            num_clusters,
            features.shape[1],
            dtype=torch.long,
            device=features.device)
        for rows, numbers in zip(
                features.split(_CHUNK_ROWS), labels.split(_CHUNK_ROWS)):
            self._sums.index_add_(0, numbers, _whole(rows))
        self.sizes = torch.bincount(labels, minlength=num_clusters)
        self._seen = _versions(features, labels)

    def take_out(self, index: Tensor, features: Tensor,
                 labels: Tensor) -> None:
        """Subtract rows, before they or their labels are written.

        Args:
            index (Tensor): (n,) rows; a repeated one counts once.
            features (Tensor): (N, D), as summed.
            labels (Tensor): (N,), as summed.
        """
        self._add(index, features, labels, -1)

    def put_back(self, index: Tensor, features: Tensor,
                 labels: Tensor) -> None:
        """Add the rows that were taken out, as they are now.

        Args:
            index (Tensor): (n,) those that were taken out.
            features (Tensor): (N, D).
            labels (Tensor): (N,).
        """
        self._add(index, features, labels, 1)
        self._seen = _versions(features, labels)

    def of(self,
           centroids: Tensor,
           clusters: Union[Tensor, slice] = slice(None)) -> Tensor:
        """Compute clusters' means; one without members keeps its centroid.

        Args:
            centroids (Tensor): (C, D) present centroids.
            clusters (Tensor): (n,) which ones. Defaults to all.

        Returns:
            Tensor: (n, D).
        """
        sizes = self.sizes[clusters].unsqueeze(1)
        means = self._sums[clusters].double() / (sizes.clamp(min=1) * _UNIT)
        return torch.where(
            sizes > 0, means.to(centroids), centroids[clusters])

    def _add(self, index: Tensor, features: Tensor, labels: Tensor,
             sign: int) -> None:
        position = torch.arange(len(index), device=index.device)
        once = sign * (first_occurrence(index) == position).long()  # (n,)
        numbers = labels[index]
        rows = _whole(features.index_select(0, index)) * once.unsqueeze(1)
        self._sums.index_add_(0, numbers, rows)
        self.sizes.index_add_(0, numbers, once)


def _whole(rows: Tensor) -> Tensor:
    return (rows.float() * _UNIT).round().long()


def _versions(features: Tensor, labels: Tensor) -> Tuple[int, int, int]:
    # torch counts the writes to a tensor.
    return features.data_ptr(), features._version, labels._version

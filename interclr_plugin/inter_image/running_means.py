"""How means of clusters are kept up to date at the cost of what changes."""
from typing import Union

import torch
from torch import Tensor

# Features are summed as whole numbers of 2^-32: nothing is rounded away when
# rows come and go, whatever their order, so a sum never drifts, is the same
# on every process and device, and is the same when it is made anew after a
# resume. 2^31 unit rows fit.
_UNIT = float(1 << 32)
_CHUNK_ROWS = 1 << 15


class RunningMeans:
    """Sums and sizes of clusters, from which the means take C x D steps.

    Args:
        features (Tensor): (N, D) unit rows.
        labels (Tensor): (N,) cluster numbers.
        num_clusters (int): C.
    """

    def __init__(self, features: Tensor, labels: Tensor,
                 num_clusters: int) -> None:
        self._sums = torch.zeros(
            num_clusters,
            features.shape[1],
            dtype=torch.long,
            device=features.device)
        for rows, numbers in zip(
                features.split(_CHUNK_ROWS), labels.split(_CHUNK_ROWS)):
            self._sums.index_add_(0, numbers, _whole(rows))
        self.sizes = torch.bincount(labels, minlength=num_clusters)  # (C,)

    def add(self, index: Tensor, times: Tensor, features: Tensor,
            labels: Tensor) -> None:
        """Add rows, as they are at this moment.

        Args:
            index (Tensor): (n,) rows.
            times (Tensor): (n,) how often each counts; below 0 it is taken
                out.
            features (Tensor): (N, D).
            labels (Tensor): (N,).
        """
        numbers = labels[index]
        rows = _whole(features.index_select(0, index)) * times.unsqueeze(1)
        self._sums.index_add_(0, numbers, rows)
        self.sizes.index_add_(0, numbers, times)

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


def _whole(rows: Tensor) -> Tensor:
    return (rows.float() * _UNIT).round().long()

"""How means of clusters are kept up to date at the cost of what changes."""
from typing import List, Optional, Union

import torch
from mmengine import dist
from torch import Tensor

from .rows import CHUNK_ROWS, Rows

# Features are summed as whole numbers of 2^-32: nothing is rounded away when
# rows come and go, whatever their order, so a sum never drifts, is the same
# on every process and device, and is the same when it is made anew after a
# resume. 2^31 unit rows fit.
_UNIT = float(1 << 32)


class RunningMeans:
    """Sums and sizes of clusters, from which the means take C x D steps.

    Args:
        rows (Rows): Of N images, of unit length.
        labels (Tensor): (N,) cluster numbers.
        num_clusters (int): C.
    """

    def __init__(self, rows: Rows, labels: Tensor, num_clusters: int) -> None:
        own = rows.own
        self._sums = own.new_zeros(
            num_clusters, own.shape[1], dtype=torch.long)
        for some, numbers in zip(
                own.split(CHUNK_ROWS), labels[rows.part].split(CHUNK_ROWS)):
            self._sums.index_add_(0, numbers.long(), _whole(some))
        dist.all_reduce(self._sums)
        self.sizes = torch.bincount(labels, minlength=num_clusters)  # (C,)
        # Clusters that changed since they were asked for; None: any may have.
        self._changed: Optional[List[Tensor]] = None

    def replace(self, old: Tensor, before: Tensor, new: Tensor, after: Tensor,
                counts: Tensor) -> None:
        """Take rows out and add others; every process has them.

        Args:
            old (Tensor): (n, D) those that go, as they are stored.
            before (Tensor): (n,) the clusters that they leave.
            new (Tensor): (n, D) those that come, as they are stored.
            after (Tensor): (n,) the clusters that they go to.
            counts (Tensor): (n,) bool; an entry that is False is left out.
        """
        counts = counts.long()
        numbers = torch.cat((before, after))
        times = torch.cat((-counts, counts))  # (2n,)
        self._sums.index_add_(0, numbers,
                              _whole(torch.cat((old, new)), times))
        self.sizes.index_add_(0, numbers, times)
        self._note(numbers)

    def move(self, rows: Rows, index: Tensor, before: Tensor,
             after: Tensor) -> None:
        """Move images from cluster to cluster; a collective.

        Args:
            rows (Rows): Of N images.
            index (Tensor): (n,) different images, the same on every process.
            before (Tensor): (n,) the clusters that they leave.
            after (Tensor): (n,) those that they go to.
        """
        touched, places = torch.cat((before, after)).unique(
            return_inverse=True)
        leave, enter = places.view(2, -1)
        change = self._sums.new_zeros(len(touched), self._sums.shape[1])
        entries, held = rows.mine(index)
        for some, out, into in zip(
                held.split(CHUNK_ROWS), leave[entries].split(CHUNK_ROWS),
                enter[entries].split(CHUNK_ROWS)):
            whole = _whole(rows.held.index_select(0, some))
            change.index_add_(0, out, whole, alpha=-1)
            change.index_add_(0, into, whole)
        # Of rows that are elsewhere no more is sent than this.
        dist.all_reduce(change)
        self._sums[touched] += change
        once = torch.ones_like(before)
        self.sizes.index_add_(0, before, -once)
        self.sizes.index_add_(0, after, once)
        self._note(touched)

    def take_changed(self) -> Union[Tensor, slice]:
        """Give the clusters that changed since this was called last.

        Returns:
            Tensor | slice: (n,) numbers, of which some may repeat, or all.
        """
        changed, self._changed = self._changed, []
        if changed is None:
            return slice(None)
        return torch.cat([self.sizes[:0], *changed])

    def _note(self, clusters: Tensor) -> None:
        if self._changed is not None:
            self._changed.append(clusters)
            if sum(map(len, self._changed)) >= len(self.sizes):
                self._changed = None

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


def _whole(rows: Tensor, times: Optional[Tensor] = None) -> Tensor:
    """Give (n, D) rows in whole units; ``times`` (n,) are -1, 0 or 1."""
    unit = _UNIT if times is None else _UNIT * times.unsqueeze(1)
    return (rows.float() * unit).round_().long()

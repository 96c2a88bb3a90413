"""Which images share a label, kept up to date at the cost of what changes."""
from typing import Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from ..distributed import is_first_occurrence

# A place that no cluster reaches, whatever is taken from it.
_NOWHERE = 1 << 62
# Labels that are turned into keys together: 32 MiB.
_CHUNK_KEYS = 1 << 22
# If more than one key of so many is replaced, a new sorting is as fast.
_SORTED_ANEW = 64


class Members:
    """Draw members of clusters without a pass over all labels.

    The images are sorted by their labels now and then. Between two sortings
    the images whose labels were written are remembered, with the label that
    the sorting knew, and a draw leaves out those that went and adds those
    that came: it is uniform over the members of the moment.

    It follows from the labels alone, and each write to them has to be
    recorded. A random number always stands for the same member, in the order
    of the images, whenever the last sorting was: a resumed run draws what an
    uninterrupted one would.

    Args:
        labels (Tensor): (N,) cluster numbers.
    """

    def __init__(self, labels: Tensor) -> None:
        self._sort(labels)

    def _sort(self, labels: Tensor) -> None:
        total = len(labels)
        keys = torch.arange(total, device=labels.device)
        # By parts and in place: nothing else of the size of N comes.
        for some, numbers in zip(
                keys.split(_CHUNK_KEYS), labels.split(_CHUNK_KEYS)):
            some += numbers.long() * total
        if keys.device.type == 'cpu':
            keys.numpy().sort()
        else:
            keys = keys.sort().values
        self._keys = keys  # (N,) sorted label * N + image
        # (R,) images, and what the sorting knew
        self._written = self._known = keys.new_empty(0)

    def record(self, index: Tensor, before: Tensor, labels: Tensor) -> None:
        """Take note of images whose labels were written, by one write.

        Args:
            index (Tensor): (n,) images.
            before (Tensor): (n,) their labels until then.
            labels (Tensor): (N,) all labels, as they are now.
        """
        # So many writes that a sorting now and then costs little, and so few
        # that looking at each of them does too.
        most = min(max(len(labels) // 256, 64), max(1024, 4 * len(index)))
        self._written = torch.cat((self._written, index))
        self._known = torch.cat((self._known, before))
        if len(self._written) > most:
            self._catch_up(labels)

    def _catch_up(self, labels: Tensor) -> None:
        # A GPU sorts in no time, and would have to wait for a merge.
        if labels.device.type == 'cpu':
            self._merge(labels)
        else:
            self._sort(labels)

    def _merge(self, labels: Tensor) -> None:
        """Bring the sorting up to date: a fraction of what a new one costs."""
        total = len(labels)
        images, known = self._distinct()
        replace(self._keys.numpy(), (known * total + images).numpy(),
                (labels[images].long() * total + images).numpy())
        self._written = self._known = images[:0]

    def _distinct(self) -> Tuple[Tensor, Tensor]:
        """Give each written image once, and the label the sorting knew."""
        first = is_first_occurrence(self._written)
        return self._written[first], self._known[first]

    def of(self, clusters: Tensor, labels: Tensor) -> Tensor:
        """List the members of some clusters.

        Args:
            clusters (Tensor): (G,) ascending.
            labels (Tensor): (N,) all labels, as they are now.

        Returns:
            Tensor: (n,) images, cluster after cluster, each in ascending
            order.
        """
        total = len(labels)
        start = torch.searchsorted(self._keys, clusters * total)
        stop = torch.searchsorted(self._keys, (clusters + 1) * total)
        size = stop - start
        group = torch.repeat_interleave(size)
        place = torch.arange(len(group), device=group.device)
        place += (start - (size.cumsum(0) - size))[group]
        keys = self._keys[place]
        images, _ = self._distinct()
        came = images[torch.isin(labels[images], clusters)]
        keys = torch.cat((keys[~torch.isin(keys % total, images)],
                          labels[came].long() * total + came))
        return keys.sort().values % total

    def sample(self, clusters: Tensor, counts: Tensor,
               labels: Tensor) -> Tensor:
        """List evenly spaced members of some clusters.

        It costs a merge and what is listed, not what the clusters hold.

        Args:
            clusters (Tensor): (G,) with members.
            counts (Tensor): (G,) how many of each, at most its size.
            labels (Tensor): (N,) all labels, as they are now.

        Returns:
            Tensor: (n,) images, cluster after cluster, each in ascending
            order.
        """
        # Of places in an older sorting a resumed run would know nothing.
        self._catch_up(labels)
        total = len(labels)
        start = torch.searchsorted(self._keys, clusters * total)
        size = torch.searchsorted(self._keys, (clusters + 1) * total) - start
        group = torch.repeat_interleave(counts)
        number = torch.arange(len(group), device=group.device)
        number -= (counts.cumsum(0) - counts)[group]
        place = start[group] + number * size[group] // counts[group]
        return self._keys[place] % total

    def draw(self,
             wanted: Tensor,
             labels: Tensor,
             generator: torch.Generator,
             exclude: Optional[Tensor] = None) -> Tensor:
        """Draw one member of each given cluster, uniformly.

        Args:
            wanted (Tensor): (B,) clusters, each with a member.
            labels (Tensor): (N,) all labels, as they are now.
            generator (torch.Generator): On their device.
            exclude (Tensor, optional): (B,) a member of each cluster that is
                drawn only where there is no other. Defaults to None: any.

        Returns:
            Tensor: (B,) images.
        """
        total = len(labels)
        random = torch.rand(
            len(wanted),
            generator=generator,
            device=labels.device,
            dtype=torch.float64)
        start = torch.searchsorted(self._keys, wanted * total)
        stop = torch.searchsorted(self._keys, (wanted + 1) * total)

        # Written images as columns, (B, R): those that left a cluster since
        # the sorting, and those that came.
        written, known = self._written, self._known
        first = is_first_occurrence(written)
        cluster = wanted.unsqueeze(1)
        known_here = (known == cluster) & first
        is_here = labels[written] == cluster
        place = torch.searchsorted(self._keys, known * total + written)
        left = torch.where(known_here & ~is_here, place - start.unsqueeze(1),
                           _NOWHERE)
        came = is_here & first & ~known_here
        if exclude is not None:
            # The one that is left out counts as gone, unless it is alone.
            size = stop - start - (left < _NOWHERE).sum(1) + came.sum(1)
            skip = size > 1
            came &= ~(skip.unsqueeze(1) & (written == exclude.unsqueeze(1)))
            key = wanted * total + exclude
            place = torch.searchsorted(self._keys, key)
            found = self._keys[place.clamp(max=total - 1)] == key
            left = torch.cat((left, torch.where(
                skip & found, place - start, _NOWHERE).unsqueeze(1)), 1)
        size = stop - start - (left < _NOWHERE).sum(1) + came.sum(1)
        drawn = (random * size).long().unsqueeze(1)  # (B, 1) rank by image

        # The ranks of those that came, among them and those that stayed.
        left = left.sort(1).values
        images = torch.where(came, written, total).sort(1).values
        place = torch.searchsorted(self._keys, cluster * total + images)
        place = place - start.unsqueeze(1)
        column = torch.arange(images.shape[1], device=images.device)
        rank = place - torch.searchsorted(left, place) + column
        rank = torch.where(images < total, rank, _NOWHERE)
        # Of those that stayed: step over each one that left and stands ahead.
        old = drawn - (rank < drawn).sum(1, keepdim=True)
        column = torch.arange(left.shape[1], device=left.device)
        old += (left - column <= old).sum(1, keepdim=True)
        old = (start.unsqueeze(1) + old).clamp(max=total - 1).squeeze(1)
        is_new = rank == drawn
        return torch.where(
            is_new.any(1), (images * is_new).sum(1), self._keys[old] % total)


def replace(keys: np.ndarray, gone: np.ndarray, came: np.ndarray) -> None:
    """Replace some of many sorted numbers, and keep them sorted.

    What lies between two places where a number goes or comes moves as one
    piece. All is done in place: with a hundred million numbers, new pages
    would take ten times as long as the moves, which a loop hands to memory
    one by one: some thousand, once in tens of steps.

    Args:
        keys (ndarray): (N,) sorted integers, each there once, written to.
        gone (ndarray): (n,) of these, in any order.
        came (ndarray): (n,) what takes their place.
    """
    gone, came = np.searchsorted(keys, np.sort(gone)), np.sort(came)
    if len(gone) * _SORTED_ANEW > len(keys):
        keys[gone] = came
        keys.sort()
        return
    ahead = np.searchsorted(keys, came)  # the place that each comes ahead of
    bounds = np.unique(np.concatenate(([0], gone, gone + 1, ahead)))
    shift = np.searchsorted(ahead, bounds, 'right') - np.searchsorted(
        gone, bounds)
    moves = (shift != 0) & ~np.isin(bounds, gone)
    stops = np.append(bounds[1:], len(keys))
    pieces = list(
        zip(bounds[moves].tolist(), stops[moves].tolist(),
            shift[moves].tolist()))
    # So no piece is written over one that has still to move.
    for start, stop, by in pieces:
        if by < 0:
            keys[start + by:stop + by] = keys[start:stop]
    for start, stop, by in reversed(pieces):
        if by > 0:
            keys[start + by:stop + by] = keys[start:stop]
    keys[ahead - np.searchsorted(gone, ahead) + np.arange(len(came))] = came

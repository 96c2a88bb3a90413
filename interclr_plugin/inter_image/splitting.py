"""Clusters without members get pieces of large ones, many at once.

As in kmeans.py, what may differ between processes comes out of a collective.
"""
from typing import Optional, Tuple

import torch
from mmengine import dist
from torch import Tensor

from ..distributed import shard
from .members import Members
from .rows import Rows

# Groups that are looked at together: some MiB.
_CHUNK_GROUPS = 1 << 10
_SAMPLED_ROWS = 128


def apportion(sizes: Tensor, count: int) -> Tensor:
    """Choose how many times to cut each cluster so that pieces stay large.

    This is what cutting the largest piece in two, ``count`` times over, aims
    at, found without a loop over clusters: the largest piece size t at which
    the clusters hold enough pieces of t members.

    Args:
        sizes (Tensor): (C,) members of each cluster.
        count (int): How many cuts; at most the sum of ``sizes - 1`` over
            clusters with members.

    Returns:
        Tensor: (C,) cuts of each cluster, summing to ``count``.
    """

    def cuts(piece: Tensor) -> Tensor:
        return (sizes // piece - 1).clamp(min=0)

    low, high = torch.ones_like(sizes[0]), sizes.max()
    # Halving; the number of rounds is the one answer asked of the device.
    for _ in range(int(high).bit_length()):
        middle = (low + high + 1) // 2
        enough = cuts(middle).sum() >= count
        low = torch.where(enough, middle, low)
        high = torch.where(enough, high, (middle - 1).maximum(low))
    result = cuts(low)
    # Clusters that hold several pieces of exactly this size may offer more
    # cuts than asked: take back those that would leave the smallest pieces.
    surplus = result.sum() - count
    spare = result - cuts(low + 1)
    order = torch.argsort(sizes, stable=True)
    before = spare[order].cumsum(0) - spare[order]
    taken = (surplus - before).clamp(min=0).minimum(spare[order])
    result[order] -= taken
    return result


def principal_axes(rows: Rows, members: Tensor, sizes: Tensor,
                   generator: torch.Generator) -> Tensor:
    """Find the direction of largest spread of several groups at once.

    Of a group with more than 128 rows, 128 evenly spaced ones are looked at:
    a cut needs no more precision, and the cost stays in bounds. The processes
    share the groups out, and each asks for the rows of its own.

    Args:
        rows (Rows): Of N images.
        members (Tensor): (n,) images, group after group.
        sizes (Tensor): (G,) rows of each group, summing to n.
        generator (torch.Generator): For the starting directions.

    Returns:
        Tensor: (G, D) unit vectors.
    """
    width, device = rows.held.shape[1], members.device
    axes = torch.randn(
        len(sizes), width, generator=generator, device=device)
    found = torch.zeros_like(axes)
    start = sizes.cumsum(0) - sizes
    number = torch.arange(_SAMPLED_ROWS, device=device)
    place = start.unsqueeze(1) + number * sizes.unsqueeze(1) // _SAMPLED_ROWS
    for some in torch.arange(len(sizes), device=device).split(_CHUNK_GROUPS):
        some = some[shard(len(some))]
        taken = rows.take(members[place[some]].flatten()).float()
        taken = taken.view(-1, _SAMPLED_ROWS, width)  # (g, 128, D)
        taken = taken - taken.mean(1, keepdim=True)
        covariance = taken.transpose(1, 2) @ taken  # (g, D, D)
        axis = axes[some].unsqueeze(1)
        for _ in range(10):  # power iterations
            axis = torch.nn.functional.normalize(axis @ covariance, dim=2)
        found[some] = axis.squeeze(1)
    dist.all_reduce(found)
    return found


def split(rows: Rows, members: Tensor, sizes: Tensor, cuts: Tensor,
          generator: torch.Generator) -> Tensor:
    """Cut clusters into pieces of equal size along their principal axes.

    Args:
        rows (Rows): Of N images.
        members (Tensor): (n,) images, cluster after cluster, in an order that
            is the same on every process.
        sizes (Tensor): (G,) rows of each cluster, summing to n.
        cuts (Tensor): (G,) cuts of each, less than its size.
        generator (torch.Generator): The same on every process.

    Returns:
        Tensor: (n,) each row's piece, counted over all clusters: the
        ``cuts[g] + 1`` pieces of cluster g come after those of g - 1.
    """
    group = torch.repeat_interleave(sizes)  # (n,)
    axes = principal_axes(rows, members, sizes, generator)
    coordinate = rows.work_out(
        members, lambda some, its:
        (some.float() * axes.index_select(0, group[its])).sum(1))
    order = torch.argsort(coordinate, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    # In this order the clusters lie where they lay: `group` holds for it too.
    start = sizes.cumsum(0) - sizes
    rank = torch.arange(len(group), device=group.device) - start[group]
    pieces = cuts + 1
    first = pieces.cumsum(0) - pieces
    piece = torch.empty_like(group)
    piece[order] = first[group] + rank * pieces[group] // sizes[group]
    return piece


def within(sizes: Tensor, cuts: Tensor, most: int, least: int) -> Tensor:
    """Share out the rows that a refill looks at among the clusters it cuts.

    Args:
        sizes (Tensor): (G,) members of each.
        cuts (Tensor): (G,) cuts of each, at least 1.
        most (int): So many in all, if that gives pieces of ``least``.
        least (int): Members that a piece shall have.

    Returns:
        Tensor: (G,) equally many for each piece, or all members.
    """
    pieces = cuts + 1
    return sizes.minimum(pieces * (most // pieces.sum()).clamp(min=least))


def refill(rows: Rows,
           labels: Tensor,
           sizes: Tensor,
           generator: torch.Generator,
           members: Optional[Members] = None,
           most: Optional[int] = None,
           most_rows: Optional[int] = None,
           least: int = 1) -> Tuple[Tensor, Tensor]:
    """Give every empty cluster a piece of a large one, all in one pass.

    The released code cuts the largest cluster in two by 2-means, once for each
    empty cluster. Here all cuts are chosen first (:func:`apportion`), and a
    cluster is cut into pieces of equal size along its principal axis, which
    is the relaxed solution of 2-means (Ding and He, ICML 2004). So there is
    no loop over clusters, no piece is smaller than need be (2-means may cut
    one member off, and the piece would be small again), and identical
    features are cut as well as any.

    Args:
        rows (Rows): Of N images, at least C.
        labels (Tensor): (N,) cluster numbers.
        sizes (Tensor): (C,) how often each stands there.
        generator (torch.Generator): The same on every process.
        members (Members, optional): Kept for these labels. Defaults to None:
            found where they are needed.
        most (int, optional): Of the empty clusters, so many get a piece.
            Defaults to None: all.
        most_rows (int, optional): So many members of the clusters that are
            cut are looked at, evenly spaced ones, and the others stay, unless
            more are needed for ``least``. Defaults to None: all.
        least (int): Members that a piece of such a part has. Defaults to 1.

    Returns:
        tuple[Tensor, Tensor]: (n,) images, and (n,) the labels they shall
        have for every cluster to have members; no other image changes.
    """
    empty = (sizes == 0).nonzero().flatten()[:most]
    if not len(empty):
        return empty, empty
    cuts = apportion(sizes, len(empty))  # (C,)
    donors = (cuts > 0).nonzero().flatten()  # (G,)
    members = members or Members(labels)
    counts = sizes[donors]
    if most_rows is None or counts.sum() <= most_rows:
        images = members.of(donors, labels)
    else:
        counts = within(counts, cuts[donors], most_rows, max(least, 1))
        images = members.sample(donors, counts, labels)
    piece = split(rows, images, counts, cuts[donors], generator)
    # The first piece of a donor keeps its number; the others take empty ones.
    pieces = cuts[donors] + 1
    numbers = empty.new_full((len(donors) + len(empty), ), -1)
    numbers[pieces.cumsum(0) - pieces] = donors
    numbers[numbers < 0] = empty
    return images, numbers[piece]

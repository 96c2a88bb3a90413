"""Clusters without members get pieces of large ones, many at once.

As in kmeans.py, all processes hold the same features, and what may differ
between them comes out of a collective.
"""
import torch
from mmengine import dist
from torch import Tensor

# Rows and groups that are looked at together: some MiB.
_CHUNK_ROWS = 1 << 15
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
    # Halving, for up to 2^32 images; a fixed number of rounds needs no answer
    # from the device.
    for _ in range(32):
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


def principal_axes(features: Tensor, members: Tensor, sizes: Tensor,
                   generator: torch.Generator) -> Tensor:
    """Find the direction of largest spread of several groups at once.

    Of a group with more than 128 rows, 128 evenly spaced ones are looked at:
    a cut needs no more precision, and the cost stays in bounds.

    Args:
        features (Tensor): (N, D).
        members (Tensor): (n,) rows, group after group.
        sizes (Tensor): (G,) rows of each group, summing to n.
        generator (torch.Generator): For the starting directions.

    Returns:
        Tensor: (G, D) unit vectors.
    """
    axes = torch.randn(
        len(sizes),
        features.shape[1],
        generator=generator,
        device=features.device)
    start = sizes.cumsum(0) - sizes
    number = torch.arange(_SAMPLED_ROWS, device=features.device)
    place = start.unsqueeze(1) + number * sizes.unsqueeze(1) // _SAMPLED_ROWS
    for some in torch.arange(
            len(sizes), device=features.device).split(_CHUNK_GROUPS):
        rows = features[members[place[some]]].float()  # (g, 128, D)
        rows = rows - rows.mean(1, keepdim=True)
        covariance = rows.transpose(1, 2) @ rows  # (g, D, D)
        axis = axes[some].unsqueeze(1)
        for _ in range(10):  # power iterations
            axis = torch.nn.functional.normalize(axis @ covariance, dim=2)
        axes[some] = axis.squeeze(1)
    return axes


def refill(features: Tensor, labels: Tensor, num_clusters: int,
           generator: torch.Generator) -> Tensor:
    """Give every empty cluster a piece of a large one, all in one pass.

    METHOD.md 3 cuts the largest cluster in two by 2-means, once for each
    empty cluster. Here all cuts are chosen first (:func:`apportion`), and a
    cluster is cut into pieces of equal size along its principal axis, which
    is the relaxed solution of 2-means (Ding and He, ICML 2004). So there is
    no loop over clusters, no piece is smaller than need be (2-means may cut
    one member off, and the piece would be small again), and identical
    features are cut as well as any.

    Args:
        features (Tensor): (N, D), N at least ``num_clusters``.
        labels (Tensor): (N,) cluster numbers.
        num_clusters (int): C.
        generator (torch.Generator): The same on every process.

    Returns:
        Tensor: (N,) new labels; every cluster has members.
    """
    sizes = torch.bincount(labels, minlength=num_clusters)
    empty = (sizes == 0).nonzero().flatten()
    if not len(empty):
        return labels
    cuts = apportion(sizes, len(empty))  # (C,)
    donors = (cuts > 0).nonzero().flatten()  # (G,)
    size, cut = sizes[donors], cuts[donors]
    number = torch.zeros_like(sizes)
    number[donors] = torch.arange(1, len(donors) + 1, device=labels.device)
    group = number[labels]  # (N,) of a donor's members, 0 elsewhere
    members = group.nonzero().flatten()  # (n,)
    group = group[members] - 1
    order = torch.argsort(group, stable=True)
    members, group = members[order], group[order]

    axes = principal_axes(features, members, size, generator)
    coordinate = torch.cat([
        (features.index_select(0, some).float() *
         axes.index_select(0, its)).sum(1) for some, its in zip(
            members.split(_CHUNK_ROWS), group.split(_CHUNK_ROWS))
    ])
    order = torch.argsort(coordinate, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    members, group = members[order], group[order]
    start = size.cumsum(0) - size
    rank = torch.arange(len(group), device=group.device) - start[group]
    # The first piece keeps the donor's number; the others take empty ones.
    piece = rank * (cut[group] + 1) // size[group]
    number = (cut.cumsum(0) - cut)[group] + piece - 1
    new = torch.where(piece == 0, donors[group], empty[number.clamp(min=0)])
    # The members are the same everywhere, their order on an axis may not be.
    written = labels.clone()
    written[members] = new
    moved = members.sort().values
    values = written[moved]
    dist.broadcast(values)
    written[moved] = values
    return written

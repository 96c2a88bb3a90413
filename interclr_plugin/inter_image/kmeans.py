"""The arithmetic of k-means on unit features, as free functions.

All processes hold the same features. Work is shared out where it is heavy,
and what comes back to every process came out of a collective, so that copies
stay equal even where a GPU adds in another order each time.
"""
from typing import Callable, Optional, Tuple

import torch
from mmengine import dist
from torch import Tensor

from ..distributed import shard

try:
    import faiss
except ImportError:
    faiss = None

# Rows x clusters of one product: 2 Mi floats are 8 MiB. Rows and groups
# that are looked at together keep to about as much.
_CHUNK_ELEMENTS = 1 << 21
_FOLD = 16
_CHUNK_ROWS = 1 << 15
_CHUNK_GROUPS = 1 << 10
_SAMPLED_ROWS = 128

# Distance to the means, or angle to the means scaled to unit length.
GEOMETRIES = ('plain', 'spherical')


def assign(features: Tensor,
           centroids: Tensor,
           allowed: Optional[Tensor] = None,
           bias: Optional[Tensor] = None) -> Tensor:
    """Give each row the centroid with the largest dot product.

    Args:
        features (Tensor): (n, D).
        centroids (Tensor): (C, D).
        allowed (Tensor, optional): (C,) bool, centroids that may be chosen.
            Defaults to all.
        bias (Tensor, optional): (C,) added to the products.

    Returns:
        Tensor: (n,) cluster numbers.
    """
    count = len(centroids)
    if bias is None:
        bias = centroids.new_zeros(count)
    if allowed is not None:
        bias = bias.masked_fill(~allowed, -torch.inf)
    # The largest of a row is looked for in a fold of 16: torch's argmax would
    # take half as long as the product.
    width = -(-count // _FOLD)
    bias = torch.nn.functional.pad(
        bias, (0, _FOLD * width - count), value=-torch.inf)
    rows = max(1, _CHUNK_ELEMENTS // count)
    products = centroids.new_zeros(min(rows, len(features)), len(bias))
    found = []
    for chunk in features.split(rows):
        some = products[:len(chunk)]
        torch.mm(chunk.float(), centroids.t(), out=some[:, :count])
        some += bias
        folded = some.view(-1, _FOLD, width)
        column = folded.amax(1).argmax(1)  # (rows,)
        line = folded.gather(2, column.view(-1, 1, 1).expand(
            -1, _FOLD, 1)).squeeze(2).argmax(1)
        found.append(line * width + column)
    return torch.cat(found)


def nearest(features: Tensor, centroids: Tensor, geometry: str) -> Tensor:
    """Give each row its nearest centroid.

    On the CPU by faiss where that is installed (``pip install faiss-cpu``),
    whose products are the faster ones; the labels are the same but for ties
    within rounding.

    Args:
        features (Tensor): (n, D).
        centroids (Tensor): (C, D) means of members.
        geometry (str): ``'plain'``, by distance, or ``'spherical'``, by
            angle.

    Returns:
        Tensor: (n,) cluster numbers.
    """
    spherical = geometry == 'spherical'
    if spherical:
        centroids = torch.nn.functional.normalize(centroids, dim=1)
    if faiss is not None and features.device.type == 'cpu':
        faiss.omp_set_num_threads(torch.get_num_threads())
        metric = faiss.METRIC_INNER_PRODUCT if spherical else faiss.METRIC_L2
        table = centroids.numpy()
        return torch.cat([
            torch.from_numpy(
                faiss.knn(rows.float().numpy(), table, 1, metric=metric)[1])
            for rows in features.split(_CHUNK_ROWS)
        ]).flatten()
    # |f|^2 is the same for all centroids.
    bias = None if spherical else -0.5 * centroids.square().sum(1)
    return assign(features, centroids, bias=bias)


def means_of_members(features: Tensor, labels: Tensor,
                     centroids: Tensor) -> Tensor:
    """Compute each cluster's mean; one without members keeps its centroid.

    Args:
        features (Tensor): (N, D).
        labels (Tensor): (N,) cluster numbers.
        centroids (Tensor): (C, D) present centroids.

    Returns:
        Tensor: (C, D).
    """
    mine = shard(len(labels))
    sums = torch.zeros_like(centroids)
    for rows, numbers in zip(features[mine].split(_CHUNK_ROWS),
                             labels[mine].split(_CHUNK_ROWS)):
        sums.index_add_(0, numbers, rows.float())
    sizes = torch.bincount(labels[mine], minlength=len(centroids))
    dist.all_reduce(sums)
    dist.all_reduce(sizes)
    sizes = sizes.unsqueeze(1)
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), centroids)


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


def fit(features: Tensor,
        num_clusters: int,
        generator: torch.Generator,
        iterations: int = 20,
        geometry: str = 'plain',
        progress: Callable[[], None] = lambda: None) -> Tuple[Tensor, Tensor]:
    """Cluster by Lloyd's k-means; no cluster comes out empty.

    Args:
        features (Tensor): (N, D), the same on every process.
        num_clusters (int): C, at most N.
        generator (torch.Generator): The same on every process.
        iterations (int): Rounds of assignment and means. Defaults to 20.
        geometry (str): ``'plain'`` assigns by Euclidean distance,
            ``'spherical'`` by angle. Defaults to ``'plain'``.
        progress (Callable): Called after each round.

    Returns:
        tuple[Tensor, Tensor]: (N,) labels and (C, D) centroids, the means of
        their members.

    Raises:
        ValueError: If there are more clusters than rows.
    """
    num_rows = len(features)
    if not 1 <= num_clusters <= num_rows:
        raise ValueError(
            f'num_clusters={num_clusters} for {num_rows} images; allowed: 1 '
            f'to {num_rows}. Change inter_image=dict(num_clusters=...).')
    mine = shard(num_rows)
    start = torch.randperm(
        num_rows, generator=generator, device=features.device)
    centroids = features[start[:num_clusters]].float()
    for _ in range(iterations):
        labels = start.new_zeros(num_rows)
        labels[mine] = nearest(features[mine], centroids, geometry)
        dist.all_reduce(labels)
        labels = refill(features, labels, num_clusters, generator)
        centroids = means_of_members(features, labels, centroids)
        progress()
    return labels, centroids

"""The arithmetic of k-means on unit features, as free functions.

Work is shared out where it is heavy, and what comes back to every process came
out of a collective, so that copies stay equal even where a GPU adds in another
order each time.
"""
from typing import Callable, Optional, Tuple

import torch
from mmengine import dist
from torch import Tensor

from .rows import CHUNK_ROWS, Rows
from .splitting import refill

try:
    import faiss
except ImportError:
    faiss = None

# Rows x clusters of one product: 2 Mi floats are 8 MiB.
_CHUNK_ELEMENTS = 1 << 21
# Rows at least: with fewer, a million centroids are read for each few of them.
_CHUNK_ROWS = 32

# From so many rows on, in all and a cluster, the first half of the rounds sees
# half of them: means that are still far from where they end need no more.
_MANY_ROWS = 200_000
_MANY_ROWS_A_CLUSTER = 60

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
        Tensor: (n,) cluster numbers, the first among equal products.
    """
    if allowed is not None:
        numbers = allowed.nonzero().flatten()
        bias = None if bias is None else bias[numbers]
        return numbers[assign(features, centroids[numbers], bias=bias)]
    if bias is None and len(features) * len(centroids) <= _CHUNK_ELEMENTS:
        # A batch's images at once, without what follows for many.
        return _argmax(features.float() @ centroids.t())
    rows = max(_CHUNK_ROWS, _CHUNK_ELEMENTS // len(centroids))
    width = max(1, _CHUNK_ELEMENTS // rows)  # of centroids, most often all
    # The same memory for all chunks: new pages cost as much as the product.
    products = centroids.new_empty(
        min(rows, len(features)) * min(width, len(centroids)))
    found = []
    for chunk in features.split(rows):
        chunk, best, number = chunk.float(), None, None
        for start in range(0, len(centroids), width):
            part = slice(start, start + width)
            shape = len(chunk), len(centroids[part])
            some = torch.mm(
                chunk,
                centroids[part].t(),
                out=products[:shape[0] * shape[1]].view(shape))
            if bias is not None:
                some += bias[part]
            column = _argmax(some)
            largest = some.gather(1, column.unsqueeze(1)).squeeze(1)
            if best is None:
                best, number = largest, column
                continue
            better = largest > best
            best = torch.where(better, largest, best)
            number = torch.where(better, column + start, number)
        found.append(number)
    return torch.cat(found)


def _argmax(products: Tensor) -> Tensor:
    if products.device.type != 'cpu':
        return products.argmax(1)
    # numpy compares many numbers at once: a fifth of the time.
    return torch.from_numpy(products.numpy().argmax(1))


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
            for rows in features.split(CHUNK_ROWS)
        ]).flatten()
    # |f|^2 is the same for all centroids.
    bias = None if spherical else -0.5 * centroids.square().sum(1)
    return assign(features, centroids, bias=bias)


def means_of_members(rows: Rows, labels: Tensor, centroids: Tensor) -> Tensor:
    """Compute each cluster's mean; one without members keeps its centroid.

    Args:
        rows (Rows): Of N images.
        labels (Tensor): (N,) cluster numbers.
        centroids (Tensor): (C, D) present centroids.

    Returns:
        Tensor: (C, D).
    """
    sums = torch.zeros_like(centroids)
    mine = labels[rows.part]
    for some, numbers in zip(
            rows.own.split(CHUNK_ROWS), mine.split(CHUNK_ROWS)):
        sums.index_add_(0, numbers, some.float())
    sizes = torch.bincount(mine, minlength=len(centroids))
    dist.all_reduce(sums)
    dist.all_reduce(sizes)
    sizes = sizes.unsqueeze(1)
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), centroids)


def fit(rows: Rows,
        num_clusters: int,
        generator: torch.Generator,
        iterations: int = 20,
        geometry: str = 'plain',
        progress: Callable[[], None] = lambda: None) -> Tuple[Tensor, Tensor]:
    """Cluster by Lloyd's k-means; no cluster comes out empty.

    From 200,000 rows on, and 60 a cluster, the first half of the rounds sees
    half of them, drawn at random: a copy of those that a process works on.

    Args:
        rows (Rows): Of N images.
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
    num_rows = len(rows)
    if not 1 <= num_clusters <= num_rows:
        raise ValueError(
            f'num_clusters={num_clusters} for {num_rows} images; allowed: 1 '
            f'to {num_rows}. Change inter_image=dict(num_clusters=...).')
    start = torch.randperm(
        num_rows, generator=generator, device=rows.held.device)
    centroids = rows.take(start[:num_clusters]).float()
    seen = rows
    if num_rows >= max(_MANY_ROWS, _MANY_ROWS_A_CLUSTER * num_clusters):
        seen = rows.select(start[:num_rows // 2])
    for done in range(iterations):
        if done == iterations // 2:
            seen = rows
        labels = start.new_zeros(len(seen))
        labels[seen.part] = nearest(seen.own, centroids, geometry)
        dist.all_reduce(labels)
        sizes = torch.bincount(labels, minlength=num_clusters)
        images, numbers = refill(seen, labels, sizes, generator)
        labels[images] = numbers
        centroids = means_of_members(seen, labels, centroids)
        progress()
    return labels, centroids

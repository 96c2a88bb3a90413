"""What the monitors measure, as functions of tensors and tables."""
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def size_entropy(sizes: Tensor) -> Tensor:
    """Tell how evenly images spread over clusters.

    Args:
        sizes (Tensor): (C,) images of each cluster, C at least 2.

    Returns:
        Tensor: () entropy of the sizes over log C: 1 where all are equal, 0
        where one cluster has everything.
    """
    share = sizes.double() / sizes.sum()
    return torch.special.entr(share).sum() / np.log(len(sizes))


def effective_rank(rows: Tensor) -> Tensor:
    """Count the directions that features make use of.

    Args:
        rows (Tensor): (n, D).

    Returns:
        Tensor: () exp of the entropy of the singular values, scaled to a sum
        of 1: from 1, all rows on one line or 0, to min(n, D).

    Source: RankMe, Garrido et al., ICML 2023, arXiv 2210.02885.
    """
    rows = rows.double()
    if len(rows) < rows.shape[1]:
        rows = rows.t()
    # Of a (D, D) product: a hundredth of the cost of the rows' own.
    squares = torch.linalg.eigvalsh(rows.t() @ rows)
    values = squares.clamp(min=0).sqrt()
    share = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    return torch.special.entr(share).sum().exp()


def relative_std(rows: Tensor) -> Tensor:
    """Tell how far features spread.

    Args:
        rows (Tensor): (n, D) unit rows, n at least 2.

    Returns:
        Tensor: () standard deviation of a coordinate over the rows, on
        average, in parts of 1 / sqrt(D): 1 where evenly spread, 0 where all
        are equal.

    Source: Chen and He, SimSiam, CVPR 2021.
    """
    return rows.std(0).mean().double() * rows.shape[1]**0.5


def uniformity(rows: Tensor) -> Tensor:
    """Tell how evenly features spread over the sphere.

    Args:
        rows (Tensor): (n, D) unit rows, n at least 2.

    Returns:
        Tensor: () log of the mean of exp(-2 d^2) over all pairs at distance
        d: 0 where all are one point, towards -4 where evenly spread.

    Source: Wang and Isola, ICML 2020, arXiv 2005.10242.
    """
    count = len(rows)
    kernel = (rows @ rows.t()).sub_(1).mul_(4).exp_()  # d^2 = 2 - 2 cos
    kernel.fill_diagonal_(0)
    return (kernel.sum(dtype=torch.float64) / (count * (count - 1))).log()


def alignment(query: Tensor, key: Tensor) -> Tensor:
    """Tell how far apart two views of an image are.

    Args:
        query (Tensor): (B, D), of any length.
        key (Tensor): (B, D), of any length.

    Returns:
        Tensor: () mean squared distance of the unit rows, 0 to 4.

    Source: Wang and Isola, ICML 2020, arXiv 2005.10242.
    """
    query = F.normalize(query.float(), dim=1)
    key = F.normalize(key.float(), dim=1)
    return (query - key).square().sum(1).mean()


def retrieved(query: Tensor, key: Tensor) -> Tensor:
    """Tell which views find the other view of their own image.

    Args:
        query (Tensor): (n, D) features of one view of each image.
        key (Tensor): (n, D) features of another.

    Returns:
        Tensor: (n,) 0, 0.5 or 1: how often, from either side, the nearest of
        the n other views by cosine is the image's own. Where all features are
        equal, 1 / n on average.
    """
    similarity = F.normalize(query, dim=1) @ F.normalize(key, dim=1).t()
    own = torch.arange(len(query), device=query.device)
    return ((similarity.argmax(1) == own).float() +
            (similarity.argmax(0) == own).float()) / 2


def closeness(query: Tensor, key: Tensor) -> Tensor:
    """Compare the distance of two views of an image with that of two images.

    Args:
        query (Tensor): (n, D) features of one view of each image, n at least
            2.
        key (Tensor): (n, D) features of another.

    Returns:
        Tensor: () mean squared distance of unit rows, of the same image over
        that of different ones: 0 where views of an image are the same, 1
        where they are no nearer than other images', or all features are
        equal.

    Source: alignment as of Wang and Isola, ICML 2020, over what it would be
    by chance.
    """
    query = F.normalize(query.double(), dim=1)
    key = F.normalize(key.double(), dim=1)
    distance = torch.cdist(query, key).square()
    own = distance.diagonal().mean()
    count = len(query)
    other = (distance.sum() - own * count) / (count * (count - 1))
    # Equal but for rounding.
    return own / other if other > 1e-12 else torch.ones_like(own)


def hardest_share(negatives: Tensor,
                  valid: Tensor,
                  temperature: float,
                  share: float = 0.01) -> Tensor:
    """Tell how much of the negatives' gradient a few of them make.

    Args:
        negatives (Tensor): (B, K) cosine similarities.
        valid (Tensor): (B, K) bool, False for a slot without a negative.
        temperature (float): T of the loss.
        share (float): Which part of an image's negatives counts as hardest;
            at least one does. Defaults to 0.01.

    Returns:
        Tensor: (B,) sum of exp(s / T) of the hardest over that of all, which
        is their share of the gradient too; 0 for an image without negatives.
    """
    logits = (negatives / temperature).masked_fill(~valid, -torch.inf)
    weights = logits.softmax(1).nan_to_num(0)
    counts = (valid.sum(1, keepdim=True) * share).ceil()  # (B, 1)
    most = max(1, int(np.ceil(valid.shape[1] * share)))
    top = weights.topk(most, 1).values
    column = torch.arange(most, device=top.device)
    return (top * (column < counts)).sum(1)


def purity(table: Any) -> float:
    """Share of images that have the commonest class of their cluster.

    Args:
        table (scipy.sparse matrix): (classes, clusters) numbers of images.

    Returns:
        float: 0 to 1.
    """
    return float(table.max(axis=0).sum() / table.sum())


def true_positives(table: Any, exclude_itself: bool = False) -> float:
    """Share of positives that have the class of their query.

    What is to be expected when every image is the query once and its positive
    is drawn uniformly from its cluster.

    Args:
        table (scipy.sparse matrix): (classes, clusters) numbers of images.
        exclude_itself (bool): An image is its own positive only where its
            cluster has no other. Defaults to False.

    Returns:
        float: 0 to 1.
    """
    table = table.astype(np.float64)
    # Of each cluster: images, and the sum of its classes' squared numbers.
    sizes = np.asarray(table.sum(axis=0)).ravel()
    squares = np.asarray(table.multiply(table).sum(axis=0)).ravel()
    if not exclude_itself:
        return float((squares[sizes > 0] / sizes[sizes > 0]).sum() /
                     sizes.sum())
    several = sizes > 1
    true = ((squares - sizes)[several] / (sizes - 1)[several]).sum()
    return float((true + (sizes == 1).sum()) / sizes.sum())

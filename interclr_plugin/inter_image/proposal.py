"""Which settings of the branch suit a number of images.

The number of clusters follows the released recipe, 128 images a cluster; all
other lines are the defaults that the branch would choose by itself, written
out so that they can be changed.
"""
from typing import Any, Dict

from .branch import InterImageBranch

_RELEASED_IMAGES_IN_A_CLUSTER = 128


def propose(num_images: int, *, feat_dim: int = 128) -> Dict[str, Any]:
    """Size the branch for a data set.

    Args:
        num_images (int): N, at least 4.
        feat_dim (int): D, width of the projection (``neck.out_channels``).
            Defaults to 128.

    Returns:
        dict: ``inter_image``, to be put into the configuration's ``model``.

    Raises:
        ValueError: A number is too small.

    Source: docs/method.md 3, 4 and 7.
    """
    if num_images < 4:
        raise ValueError(f'num_images={num_images} must be at least 4: two '
                         'clusters of two images.')
    if feat_dim < 1:
        raise ValueError(f'feat_dim={feat_dim} must be at least 1; it is '
                         'neck.out_channels of the configuration.')
    num_clusters = max(2, round(num_images / _RELEASED_IMAGES_IN_A_CLUSTER))
    branch = InterImageBranch(num_clusters=num_clusters, feat_dim=feat_dim)
    branch.size(num_images)
    return dict(
        num_clusters=num_clusters,
        labels=dict(min_cluster_size=branch.labels.min_cluster_size),
        sampler=dict(
            num_negatives=branch.sampler.num_negatives,
            pool_fraction=branch.sampler.pool_fraction))


def describe(num_images: int, feat_dim: int) -> str:
    """Write the proposal as lines of a configuration.

    Args:
        num_images (int): N, at least 4.
        feat_dim (int): D, width of the projection.

    Returns:
        str: Lines to copy, with what they mean as comments.
    """
    settings = propose(num_images, feat_dim=feat_dim)
    clusters = settings['num_clusters']
    labels, sampler = settings['labels'], settings['sampler']
    pool = round(sampler['pool_fraction'] * num_images)
    megabytes = 4 * num_images * feat_dim / 1e6
    return '\n'.join((
        f'# {num_images:,} images: {num_images / clusters:.4g} in a cluster '
        f'on average, a pool of {pool:,}.',
        f'# Memory bank, on each GPU and in each checkpoint: {megabytes:,.1f} '
        f'MB at width {feat_dim};',
        "# half of that with bank=dict(dtype='float16').",
        'inter_image=dict(',
        f'    num_clusters={clusters},',
        f"    labels=dict(min_cluster_size={labels['min_cluster_size']}),",
        '    sampler=dict(',
        f"        num_negatives={sampler['num_negatives']},",
        f"        pool_fraction={sampler['pool_fraction']})),",
    ))

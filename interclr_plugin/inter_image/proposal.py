"""Which settings of the branch suit a number of images.

The number of clusters follows the released recipe, 128 images a cluster; all
other lines are the defaults that the branch would choose by itself, written
out so that they can be changed. Relations have the settings that were chosen
on photographs (benchmarks/README.md, "Panel").
"""
from typing import Any, Dict

from .branch import InterImageBranch

_RELEASED_IMAGES_IN_A_CLUSTER = 128
# Beside ``inter_image``, in the configuration's ``model``.
RELATION_WEIGHTS = dict(intra_weight=1.0, inter_weight=0.5)


def propose(num_images: int,
            *,
            feat_dim: int = 128,
            relations: bool = False) -> Dict[str, Any]:
    """Size the branch for a data set.

    Args:
        num_images (int): N, at least 4.
        feat_dim (int): D, width of the projection (``neck.out_channels``).
            Defaults to 128.
        relations (bool): :class:`RelationSampler` in place of pairs, whose
            weights are ``RELATION_WEIGHTS``. Defaults to False.

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
    labels = dict(min_cluster_size=branch.labels.min_cluster_size)
    if relations:
        return dict(
            num_clusters=num_clusters,
            bank=dict(momentum=0.2),
            labels=labels,
            sampler=dict(type='RelationSampler'))
    return dict(
        num_clusters=num_clusters,
        labels=labels,
        sampler=dict(
            num_negatives=branch.sampler.num_negatives,
            pool_fraction=branch.sampler.pool_fraction))


def describe(num_images: int, feat_dim: int, relations: bool = False) -> str:
    """Write the proposal as lines of a configuration.

    Args:
        num_images (int): N, at least 4.
        feat_dim (int): D, width of the projection.
        relations (bool): As of :func:`propose`. Defaults to False.

    Returns:
        str: Lines to copy, with what they mean as comments.
    """
    settings = propose(num_images, feat_dim=feat_dim, relations=relations)
    clusters = settings['num_clusters']
    pool = settings['sampler'].get('pool_fraction')
    megabytes = 4 * num_images * feat_dim / 1e6
    lines = [
        f'# {num_images:,} images: {num_images / clusters:.4g} in a cluster '
        'on average' +
        (f', a pool of {round(pool * num_images):,}.' if pool else '.'),
        f'# Memory bank, on each GPU and in each checkpoint: {megabytes:,.1f} '
        f'MB at width {feat_dim};',
        "# half of that with bank=dict(dtype='float16')."
    ]
    if relations:
        lines += [f'{name}={value},'
                  for name, value in RELATION_WEIGHTS.items()]
    parts = [f'    num_clusters={settings.pop("num_clusters")}']
    for part, values in settings.items():
        inside = ', '.join(f'{name}={v!r}' for name, v in values.items())
        parts.append(f'    {part}=dict({inside})')
    return '\n'.join([*lines, 'inter_image=dict(', ',\n'.join(parts) + '),'])

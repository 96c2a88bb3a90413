"""When measured numbers are a reason to warn, and what to say then.

Each function gives the text of a warning, or None: what was seen, the likely
causes, and the options to change.
"""
from typing import Dict, Optional, Sequence

import numpy as np


def collapse(measured: Dict[str, float],
             least: Dict[str, float]) -> Optional[str]:
    """Features of different images become equal.

    Args:
        measured (dict): Values by their names in the log; any may be missing.
        least (dict): The lowest value of each that is no collapse.
    """
    for name, limit in least.items():
        if measured.get(name, limit) < limit:
            return (
                f'collapse: {name} is {measured[name]:.3g}, below {limit}: '
                'the features of different images become equal. Likely '
                'causes: too high a learning rate (optim_wrapper.optimizer'
                '.lr), views that hardly differ (MultiView in the training '
                'pipeline), or a stock algorithm without what keeps it from '
                'collapsing (its predictor, stop-gradient or queue). If the '
                'stock algorithm alone, model.inter_weight=0, is healthy, '
                'lower model.inter_weight.')
    return None


def one_cluster(largest: int, num_images: int, num_clusters: int,
                allowed: float) -> Optional[str]:
    """One cluster holds most images.

    Args:
        largest (int): Images of the largest cluster.
        num_images (int): N.
        num_clusters (int): C.
        allowed (float): Share of all images, beyond the even share 1 / C.
    """
    even = 1 / num_clusters
    limit = num_images * (even + allowed * (1 - even))
    if largest <= limit:
        return None
    return (f'one cluster: clusters/largest is {largest:.0f} of {num_images} '
            f'images, above {limit:.0f}: the pseudo-labels tell little. '
            'Likely causes: a collapse (representation/relative_std); a '
            'tight cluster that attracts the others (inter_image=dict(labels='
            "dict(geometry='spherical')) compares by the angle alone); small "
            'clusters that are not repaired (labels=dict(min_cluster_size='
            '..., small_cluster_interval=1)).')


def restless_labels(ratios: Sequence[float], allowed: float,
                    progress: float) -> Optional[str]:
    """Labels still change whenever their image is seen.

    Args:
        ratios (Sequence[float]): ``change_ratio`` of the last steps.
        allowed (float): Their largest mean.
        progress (float): How much of the run is done, for the text.
    """
    mean = np.mean(ratios)
    if mean <= allowed:
        return None
    return (f'restless labels: change_ratio is {mean:.3g} on average over '
            f'{len(ratios)} steps, above {allowed}, after {progress:.0%} of '
            'the run: the pseudo-labels do not settle. Likely causes: too '
            'many clusters (inter_image.num_clusters), a learning rate that '
            'does not fall (param_scheduler), keys that change quickly ('
            'inter_image=dict(bank=dict(momentum=...)) below 1 averages '
            'them), or too strong an augmentation.')


def dead_loss(losses: Sequence[float],
              chances: Sequence[float],
              inter_weight: float,
              must_be_below: bool = False) -> Optional[str]:
    """The inter-image loss teaches nothing.

    Args:
        losses (Sequence[float]): ``inter_loss`` of the last steps.
        chances (Sequence[float]): What it is where all similarities are
            equal, for one or several such similarities.
        inter_weight (float): Its weight, which is in all of these.
        must_be_below (bool): Whether a loss above such a value is dead too.
            Defaults to False: hard negatives may be the more similar ones.
    """
    mean, spread = np.mean(losses), np.std(losses)
    seen = (f'dead inter-image loss: inter_loss is {mean:.4g} on average and '
            f'varies by {spread:.2g} over {len(losses)} steps')
    if mean < 1e-6:
        return (f'{seen}: it is 0. Likely causes: model.inter_weight='
                f'{inter_weight}, or no negatives, since one cluster holds '
                'all images (inter_image.num_clusters).')
    for chance in chances:
        # A healthy loss may pass by this value; it varies by a hundredth.
        stays = abs(mean - chance) < 5e-3 * chance and spread < 2e-3 * chance
        if stays or (must_be_below and mean > chance):
            return (f'{seen}: features without any information give '
                    f'{chance:.4g}. Likely causes: a collapse (see '
                    'representation/relative_std), a projection of constants '
                    '(model.neck), or a stock algorithm that does not learn '
                    'either (try model.inter_weight=0).')
    if spread < 1e-4 * mean:
        return (f'{seen}: it does not move. Likely causes: parameters that '
                'do not learn (frozen, or optim_wrapper.optimizer.lr=0), and '
                'batches that are all alike (train_dataloader.sampler).')
    return None

"""What of a bank a checkpoint has to hold, and which one is refused."""
from typing import Any, Dict

from torch import Tensor

# What there is: nothing, rows alone, or rows with labels and centroids.
STATUSES = ('empty', 'filled', 'clustered')
NUMBERS = ('status', 'seed', 'step')


def read(state: Dict[str, Any], prefix: str, features: Tensor,
         centroids: Tensor) -> Dict[str, Any]:
    """Find a bank's state, all of it or nothing.

    Args:
        state (dict): Weights of a checkpoint.
        prefix (str): Ahead of the bank's names in it.
        features (Tensor): (H, D) of the bank that loads.
        centroids (Tensor): (C, D) of the bank that loads.

    Returns:
        dict: ``features``, a tensor (N, D) or what gives tensors for slices
        of it, ``labels``, ``centroids``, and the numbers; empty where the
        state is that of a stock model, published, or without rows.

    Raises:
        ValueError: A part is missing, or of another shape.
    """
    names = ['features', 'labels', 'centroids', *NUMBERS]
    given = {
        name: state[prefix + name]
        for name in names if prefix + name in state
    }
    if not given or f'{prefix}shards' in state:
        # Rows are in files of their own, and whoever loads knows of none: a
        # model from its weights alone.
        return {}
    allowed = dict(
        labels=given.get('features', features).shape[:1],
        centroids=centroids.shape)
    allowed['features'] = (*allowed['labels'], features.shape[1])
    for name in names:
        shape = tuple(allowed.get(name, ()))
        found = tuple(given[name].shape) if name in given else 'missing'
        if found != shape:
            raise ValueError(
                f'Cannot load the memory bank: {prefix}{name} is {found} '
                f'in the checkpoint and {shape} here. Use the inter_image '
                'settings of the checkpoint; or start a new run from its '
                'weights, load_from=..., resume=False.')
    return given

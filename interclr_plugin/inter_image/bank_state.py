"""What of a bank a checkpoint has to hold, and which one is refused."""
from typing import TYPE_CHECKING, Any, Dict

import torch

if TYPE_CHECKING:
    from .clustered_bank import ClusteredBank

# What there is: nothing, rows alone, or rows with labels and centroids.
STATUSES = ('empty', 'filled', 'clustered')
_NUMBERS = ('status', 'seed', 'step')


def write(bank: 'ClusteredBank', state: Dict[str, Any], prefix: str) -> None:
    """Put a bank's state into that of a model.

    Args:
        bank (ClusteredBank): Read.
        state (dict): Weights by name.
        prefix (str): Ahead of the bank's names.
    """
    if bank.saves_rows:
        state[f'{prefix}features'] = bank.features
    else:
        state[f'{prefix}shards'] = torch.tensor(True)
    state[f'{prefix}labels'] = bank.labels
    state[f'{prefix}centroids'] = bank.centroids
    numbers = (STATUSES.index(bank.status), bank.random.seed, bank.random.step)
    for name, number in zip(_NUMBERS, numbers):
        state[prefix + name] = torch.tensor(number)


def read(bank: 'ClusteredBank', state: Dict[str, Any],
         prefix: str) -> Dict[str, Any]:
    """Find a bank's state, all of it or nothing.

    Args:
        bank (ClusteredBank): That is to load it.
        state (dict): Weights of a checkpoint.
        prefix (str): Ahead of the bank's names in it.

    Returns:
        dict: ``features``, a tensor (N, D) or what gives tensors for slices
        of it, ``labels``, ``centroids``, and ``numbers``: status, seed and
        step; empty where the state is that of a stock model, published, or
        without rows.

    Raises:
        ValueError: A part is missing, or of another shape.
    """
    names = ['features', 'labels', 'centroids', *_NUMBERS]
    given = {
        name: state[prefix + name]
        for name in names if prefix + name in state
    }
    if not given or f'{prefix}shards' in state:
        # Rows are in files of their own, and whoever loads knows of none: a
        # model from its weights alone.
        return {}
    allowed = dict(
        labels=given.get('features', bank.features).shape[:1],
        centroids=bank.centroids.shape)
    allowed['features'] = (*allowed['labels'], bank.features.shape[1])
    for name in names:
        shape = tuple(allowed.get(name, ()))
        found = tuple(given[name].shape) if name in given else 'missing'
        if found != shape:
            raise ValueError(
                f'Cannot load the memory bank: {prefix}{name} is {found} '
                f'in the checkpoint and {shape} here. Use the inter_image '
                'settings of the checkpoint; or start a new run from its '
                'weights, load_from=..., resume=False.')
    numbers = {name: int(given[name]) for name in _NUMBERS}
    numbers['status'] = STATUSES[numbers['status']]
    return dict(given, numbers=numbers)

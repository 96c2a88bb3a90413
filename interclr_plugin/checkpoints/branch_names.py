"""Which names in a checkpoint are the inter-image branch's, now and before."""
from typing import MutableMapping

import torch
from torch import Tensor

STATE = 'inter_image.'
NECK = 'inter_neck.'
BANK = 'inter_image.bank.'
# What version 1.0.0 called them.
_OLD_NECK = 'inter_image.neck.'
_OLD_NAMES = {
    'labels.labels': 'labels',
    'labels.centroids': 'centroids',
    'random.seed': 'seed',
    'random.step': 'step',
}
OLD_IMAGES = 'inter_image.images'


def is_state(name: str) -> bool:
    """Tell a training set's state, also that of 1.0.0, from weights."""
    return name.startswith(STATE) and not name.startswith(_OLD_NECK)


def is_stock(name: str) -> bool:
    """Tell a stock algorithm's weights from all that InterCLR adds."""
    return not name.startswith((STATE, NECK))


def rename_1_0(state: MutableMapping[str, Tensor], prefix: str = '') -> None:
    """Give what version 1.0.0 saved the names of today.

    Args:
        state (dict[str, Tensor]): Weights by name, changed in place; those
            of this version stay.
        prefix (str): Ahead of the algorithm's own names.
    """
    old, bank, neck = prefix + STATE, prefix + BANK, prefix + _OLD_NECK
    for name in [name for name in state if name.startswith(neck)]:
        state[prefix + NECK + name[len(neck):]] = state.pop(name)
    for name, today in _OLD_NAMES.items():
        if old + name in state:
            state[bank + today] = state.pop(old + name)
    ready = state.pop(f'{old}ready', None)
    if ready is not None:
        # 1.0.0 told by a flag whether there were clusters, and a bank
        # without rows had zeros.
        filled = state[bank + 'features'].any()
        state[f'{bank}status'] = torch.tensor(2 if ready else int(filled))
    state.pop(f'{old}fault', None)
    state.pop(prefix + OLD_IMAGES, None)

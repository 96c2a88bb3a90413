"""What MoCo and InterCLR-MoCo weights of mmselfsup 0.x are called in 1.x.

mmselfsup 1.x and mmpretrain 1.x give MoCo's weights the same names, so one
file serves both: as ``load_from`` of stock MoCo and of InterCLR on MoCo, as
``Pretrained(prefix='backbone.')`` of every downstream benchmark. 0.x kept its
memory bank outside the checkpoint, so a training that goes on starts a new
one.
"""
from typing import Dict

import torch
from torch import Tensor

from .reading import load_state_dict
from .weight_file import require_free, save

# What 0.x calls a part of the model, and what 1.x does.
_NAMES = {
    'encoder_q.0.': 'backbone.',
    'encoder_q.1.': 'neck.',
    'encoder_k.0.': 'encoder_k.module.0.',
    'encoder_k.1.': 'encoder_k.module.1.',
    'queue': 'queue',
    'queue_ptr': 'queue_ptr',
    # A neck of the branch's own (share_neck=False).
    'inter_neck_q.': 'inter_neck.',
}
# Nothing corresponds to the own neck of the momentum encoder: here such a
# branch compares with the first view.
_WITHOUT_HEIR = 'inter_neck_k.'
# 0.x stores these parts a second time, under the name that 1.x has alone.
_ALIASES = {'backbone.': 'encoder_q.0.', 'neck.': 'encoder_q.1.'}
_PARTS = [*_NAMES, _WITHOUT_HEIR, *_ALIASES]
_NEEDED = list(_NAMES)[:6]
_LAYOUT = ('The layout of MoCo in 0.x is encoder_q.0.*, encoder_q.1.*, '
           'encoder_k.0.*, encoder_k.1.*, queue and queue_ptr; a checkpoint '
           'of 1.x needs no conversion.')


def convert_0x(source: str, target: str) -> str:
    """Write a checkpoint of 0.x under the names of 1.x.

    Args:
        source (str): File or URL of a checkpoint; nothing in it is run.
        target (str): File to write.

    Returns:
        str: SHA-256 of the written file.

    Raises:
        FileExistsError: ``target`` is there already.
        FileNotFoundError: There is no ``source``.
        ValueError: ``source`` is no MoCo or InterCLR-MoCo of 0.x; the message
            lists the weights that it lacks or has in excess.

    Source: docs/method.md 7; ``InterCLRMoCo`` of mmselfsup 0.x (pull request
    609).
    """
    require_free(target)
    try:
        weights = rename(load_state_dict(source))
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
    return save(weights, target)


def rename(old: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Give the weights of 0.x their names in 1.x.

    Args:
        old (dict[str, Tensor]): Weights by their names in 0.x.

    Returns:
        dict[str, Tensor]: Weights by their names in both libraries.

    Raises:
        ValueError: A weight is missing, unknown, or stored twice with
            different values.
    """
    new, unknown = {}, []
    for name, value in old.items():
        part = next((part for part in _PARTS if _is_in(name, part)), None)
        if part is None:
            unknown.append(name)
        elif part in _ALIASES:
            _check_alias(old, name, _ALIASES[part] + name[len(part):])
        elif part != _WITHOUT_HEIR:
            new[_NAMES[part] + name[len(part):]] = value
    if unknown:
        raise ValueError(f'{len(unknown)} weights are unknown, such as '
                         f'{unknown[:3]}. {_LAYOUT}')
    _check_complete(old)
    # At 0 the first training step would replace the momentum encoder by a
    # copy of the other one.
    new['encoder_k.steps'] = torch.ones((), dtype=torch.long)
    return new


def _check_alias(old: Dict[str, Tensor], alias: str, name: str) -> None:
    if name not in old:
        raise ValueError(f'{alias} is there and {name}, which it repeats, is '
                         f'missing. {_LAYOUT}')
    if not torch.equal(old[alias], old[name]):
        raise ValueError(
            f'{alias} and {name} are one weight in 0.x, and differ here: the '
            'file was changed after its training. Remove one of the two.')


def _is_in(name: str, part: str) -> bool:
    return name.startswith(part) if part.endswith('.') else name == part


def _check_complete(old: Dict[str, Tensor]) -> None:
    missing = [
        f'{part}*' if part.endswith('.') else part for part in _NEEDED
        if not any(_is_in(name, part) for name in old)
    ]
    # Both encoders are built alike.
    query, key = ({
        name[len(part):]
        for name in old if name.startswith(part)
    } for part in ('encoder_q.', 'encoder_k.'))
    missing += [f'encoder_q.{name}' for name in sorted(key - query)]
    missing += [f'encoder_k.{name}' for name in sorted(query - key)]
    if missing:
        raise ValueError(f'{len(missing)} weights are missing, such as '
                         f'{missing[:3]}. {_LAYOUT}')

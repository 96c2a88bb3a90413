"""Whether all processes of a run train the same thing on the same images."""
import hashlib
import json
from typing import Any, Dict, Optional

from mmengine import dist
from mmengine.runner import Runner

# What must be equal; a folder's path may differ from machine to machine.
_SETTINGS = ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg',
             'custom_hooks', 'randomness')


def require_agreement(runner: Runner, num_images: int,
                      images: Optional[str]) -> None:
    """Stop all processes before the first step if two of them differ.

    A row of the bank belongs to a position in the data set, so a process
    that lists the images in another order would write features into other
    images' rows, and nothing would tell.

    Args:
        runner (Runner): Of the training.
        num_images (int): N of this process's data set.
        images (str, optional): Its fingerprint. None: not compared.

    Raises:
        ValueError: On every process; names the process, what differs, and
            what to do.
    """
    if dist.get_world_size() == 1:
        return
    every = dist.all_gather_object(_facts(runner, num_images, images))
    for rank, facts in enumerate(every):
        for name, value in facts.items():
            first = every[0][name]
            if value != first:
                raise ValueError(
                    f'The processes differ: {name} is {_short(value)} on rank '
                    f'{rank} and {_short(first)} on rank 0. {_advice(name)}')


def _facts(runner: Runner, num_images: int,
           images: Optional[str]) -> Dict[str, Any]:
    loader = runner.train_dataloader
    sampler = loader.sampler
    facts = {
        'the number of images': num_images,
        'the list of images': images,
        'the batch size': loader.batch_size,
        'the sampler': type(sampler).__name__,
        'the seed of the run': runner.seed,
        'the seed of the sampler': getattr(sampler, 'seed', None),
    }
    settings = runner.cfg.to_dict()
    for name in _SETTINGS:
        text = json.dumps(settings.get(name), default=_named, sort_keys=True)
        digest = hashlib.sha256(text.encode(errors='surrogateescape'))
        facts[f'{name} of the configuration'] = digest.hexdigest()
    # Last, for it follows from others.
    facts['the number of steps in an epoch'] = len(loader)
    return facts


def _named(value: Any) -> str:
    # An object's own text may hold its address.
    return getattr(value, '__qualname__', type(value).__qualname__)


def _short(value: Any) -> Any:
    return value[:12] if isinstance(value, str) else value


def _advice(name: str) -> str:
    if 'images' in name:
        return ('Each must list the same images in the same order: compare '
                'the data folders of the machines, or name the images in one '
                'file, train_dataloader=dict(dataset=dict(ann_file=...)).')
    return ('Start every process with the same configuration and the same '
            '--cfg-options.')

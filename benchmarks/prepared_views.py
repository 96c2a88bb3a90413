"""Views of a whole training, drawn once by a configuration's own pipeline.

Augmentation is half of a digits training's time. Drawn beforehand, one set
for each seed serves every arm of a study, which then also differ by nothing
but what is studied.
"""
import copy
import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import (
    DATASETS,
    HOOKS,
    TRANSFORMS,
    init_default_scope,
)


@TRANSFORMS.register_module()
class PreparedViews(BaseTransform):
    """Stand in for ``MultiView``: an image's views of the present epoch.

    Args:
        folder (str): What :func:`draw_views` wrote.
    """

    def __init__(self, folder: str) -> None:
        self.views = [
            np.load(path, mmap_mode='r')
            for path in sorted(Path(folder).glob('view*.npy'))
        ]
        self.epoch = 0

    def transform(self, results: dict) -> dict:
        index = results['sample_idx']
        results['img'] = [
            np.array(view[self.epoch, index]) for view in self.views
        ]
        return results


@HOOKS.register_module()
class ViewsOfTheEpoch(Hook):
    """Tell :class:`PreparedViews` the epoch, of a resumed training too."""

    def before_train_epoch(self, runner) -> None:
        # Loader processes start later, with a copy.
        for transform in runner.train_dataloader.dataset.pipeline.transforms:
            if isinstance(transform, PreparedViews):
                transform.epoch = runner.epoch


def views_folder(config: Config, seed: int, root: Path) -> Path:
    """Name the folder of a configuration's views, by what decides them."""
    decisive = [
        config.default_scope, seed, config.train_cfg.max_epochs,
        config.train_dataloader.dataset.to_dict()
    ]
    text = json.dumps(decisive, sort_keys=True, default=str)
    return root / hashlib.sha256(text.encode()).hexdigest()[:16]


def draw_views(config: Config, seed: int, folder: Path) -> None:
    """Draw the views of every epoch and image.

    Args:
        config (Config): Its dataset's pipeline reads ``[..., MultiView,
            pack]``.
        seed (int): Of the augmentation.
        folder (Path): Gets ``view<number>.npy``, (epochs, N, H, W, C) uint8.
    """
    init_default_scope(config.default_scope)
    dataset = DATASETS.build(
        copy.deepcopy(config.train_dataloader.dataset.to_dict()))
    dataset.pipeline.transforms.pop()  # the packing transform
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    epochs = config.train_cfg.max_epochs
    arrays = [
        np.empty((epochs, len(dataset), *view.shape), np.uint8)
        for view in dataset[0]['img']
    ]
    for epoch in range(epochs):
        for index in range(len(dataset)):
            for array, view in zip(arrays, dataset[index]['img']):
                array[epoch, index] = view
    # Another call may draw the same ones at the same time.
    partial = folder.with_suffix(f'.partial{os.getpid()}')
    partial.mkdir(parents=True, exist_ok=True)
    for number, array in enumerate(arrays):
        np.save(partial / f'view{number}.npy', array)
    if folder.exists():
        shutil.rmtree(partial)
    else:
        partial.rename(folder)


def use_views(config: Config, folder: Path) -> None:
    """Have a configuration's training read prepared views.

    The first clustering keeps the test-time view of the images themselves,
    which must have the right size as they are.
    """
    pipeline = config.train_dataloader.dataset.pipeline
    names = [transform['type'] for transform in pipeline]
    pipeline[names.index('MultiView')] = dict(
        type='PreparedViews', folder=str(folder))
    config.custom_hooks = [
        *config.get('custom_hooks', []),
        dict(type='ViewsOfTheEpoch')
    ]
    for hook in config.custom_hooks:
        if hook['type'] in ('MemoryBankHook', 'OnlineKNNHook'):
            hook['transforms'] = pipeline[:names.index('MultiView')]

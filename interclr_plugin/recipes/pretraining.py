"""What is set in a folder's pre-training, made out of a delivered one."""
import re
from typing import Optional

from mmengine.config import Config, ConfigDict

from ..inter_image import propose
from ..inter_image.proposal import RELATION_WEIGHTS
from ..upstream.tools import find_config
from .sizes import propose_sizes, workers
from .survey import Survey
from .text import plain

# For which size of images there is a recipe, and up to which edge it is taken.
READY = {
    32: ('resnet18_1xb256-coslr-200e_folder32', 40),
    64: ('resnet18_1xb256-coslr-200e_folder64', 80),
    96: ('resnet18_1xb256-coslr-200e_folder96', 160),
    224: ('resnet50_1xb64-coslr-200e_folder224', float('inf')),
}
# Algorithms without a recipe for folders, and where their settings are: for
# small images and for large ones.
_OTHERS = 'SimCLR', 'BYOL'
_SMALL, _LARGE = ('resnet18_1xb256-coslr-200e_cifar10',
                  'resnet50_16xb256-coslr-200e_in1k')
ALGORITHMS = ('MoCo', *_OTHERS)
_NARROWER = 4


def recipe_size(edge: int) -> int:
    """Choose the recipe for images.

    Args:
        edge (int): Their shorter edge, in pixels.

    Returns:
        int: 32, 64, 96 or 224.
    """
    return next(size for size, (_, most) in READY.items() if edge <= most)


def pretraining(found: Survey, *, library: str, algorithm: str, size: int,
                epochs: Optional[int], relations: bool,
                small: bool) -> Config:
    """Make the pre-training, but for its data set's paths.

    Args:
        found (Survey): Of the folder.
        library (str): ``'mmpretrain'`` or ``'mmselfsup'``.
        algorithm (str): One of ``ALGORITHMS``.
        size (int): Of the views, in pixels; one of ``READY``.
        epochs (int, optional): None: as proposed.
        relations (bool): :class:`RelationSampler` in place of pairs.
        small (bool): A network of a quarter of the width.

    Returns:
        Config: Without ``_base_``.
    """
    config, lr_batch = _recipe(library, algorithm, size)
    if small:
        _narrow(config.model)
    model, loader = config.model, config.train_dataloader
    optimizer = config.optim_wrapper.optimizer
    num_images = len(found.names)
    inter_image = propose(
        num_images, feat_dim=model.neck.out_channels, relations=relations)
    if relations:
        model.update(RELATION_WEIGHTS)
    sizes = propose_sizes(
        num_images,
        batch_size=loader.batch_size,
        lr=optimizer.lr,
        lr_batch=lr_batch,
        queue_len=model.get('queue_len', num_images))
    model.inter_image.update(inter_image)
    if 'queue_len' in model:
        model.queue_len = sizes.queue_len
    loader.update(
        batch_size=sizes.batch_size,
        num_workers=workers(),
        persistent_workers=False)
    loader.dataset.update(with_label=bool(found.classes))
    optimizer.lr = sizes.lr
    set_epochs(config, epochs or sizes.epochs)
    config.default_hooks.logger.interval = min(
        50, max(1, num_images // sizes.batch_size))
    for hook in config.custom_hooks:
        if hook.type == 'MemoryBankHook':
            hook.warmup_epochs = sizes.warmup_epochs
    config.evaluation = dict(
        test=dict(data_prefix=found.test_prefix)) if (
            found.test_prefix and found.classes) else {}
    return plain(config)


def set_epochs(config: Config, epochs: int) -> None:
    """Change a training's length, and its schedule in proportion.

    Args:
        config (Config): Changed in place.
        epochs (int): At least 1.
    """
    before, config.train_cfg.max_epochs = config.train_cfg.max_epochs, epochs
    schedule = []
    for part in config.param_scheduler:
        for name in {'begin', 'end'} & set(part):
            part[name] = round(part[name] * epochs / before)
        if part.end > part.begin:
            if 'T_max' in part:
                part.T_max = part.end - part.begin
            schedule.append(part)
    config.param_scheduler = schedule
    config.default_hooks.checkpoint.interval = max(1, epochs // 20)


def _narrow(model: ConfigDict) -> None:
    model.backbone.update(
        stem_channels=64 // _NARROWER, base_channels=64 // _NARROWER)
    for neck in (model.neck, model.inter_image.get('neck')):
        if neck:
            neck.in_channels //= _NARROWER


def _recipe(library: str, algorithm: str, size: int) -> tuple:
    ready = _read('MoCo', READY[size][0], library)
    if algorithm == 'MoCo':
        return ready, ready.train_dataloader.batch_size
    name = _LARGE if size == 224 else _SMALL
    own = _read(algorithm, name, library)
    devices, batch = map(int, re.search(r'_(\d+)xb(\d+)', name).groups())
    own.model.backbone = ready.model.backbone
    views = own if size == 224 else ready
    pipeline = views.train_dataloader.dataset.pipeline
    own.train_dataloader = ready.train_dataloader
    own.train_dataloader.dataset.pipeline = pipeline
    return own, devices * batch


def _read(algorithm: str, name: str, library: str) -> Config:
    return Config.fromfile(
        find_config(f'interclr-{algorithm.lower()}_{name}_{library}.py'))

"""What is set in a folder's configurations, made out of the delivered ones."""
import os
import re
from typing import Optional

from mmengine.config import Config, ConfigDict

from ..inter_image import propose
from ..upstream.tools import find_config
from .sizes import propose_sizes
from .survey import Survey

# For which size of images there is a recipe, and up to which edge it is taken.
READY = {
    32: ('resnet18_1xb256-coslr-200e_folder32', 40),
    64: ('resnet18_1xb256-coslr-200e_folder64', 80),
    96: ('resnet18_1xb256-coslr-200e_folder96', 160),
    224: ('resnet50_1xb64-coslr-200e_folder224', float('inf')),
}
# Where the settings of an algorithm are that has no recipe for folders.
OTHERS = {
    'SimCLR': ('resnet18_1xb256-coslr-200e_cifar10',
               'resnet50_16xb256-coslr-200e_in1k'),
    'BYOL': ('resnet18_1xb256-coslr-200e_cifar10',
             'resnet50_16xb256-coslr-200e_in1k'),
}
ALGORITHMS = ('MoCo', *OTHERS)
_NARROWER = 4
# Variables that the stock files only build their own lines from.
_SCAFFOLD = ('dataset_type', 'data_root', 'pipeline', 'train_pipeline',
             'test_pipeline', 'view_pipeline', 'optimizer', 'view_pipeline1',
             'view_pipeline2', 'auto_scale_lr', 'bgr_mean', 'bgr_std')


def recipe_size(edge: int) -> int:
    """Choose the recipe for images.

    Args:
        edge (int): Their shorter edge, in pixels.

    Returns:
        int: 32, 64, 96 or 224.
    """
    return next(size for size, (_, most) in READY.items() if edge <= most)


def pretraining(found: Survey, *, library: str, algorithm: str, size: int,
                epochs: Optional[int], small: bool) -> Config:
    """Make the pre-training, but for its data set's paths.

    Args:
        found (Survey): Of the folder.
        library (str): ``'mmpretrain'`` or ``'mmselfsup'``.
        algorithm (str): One of ``ALGORITHMS``.
        size (int): Of the views, in pixels; one of ``READY``.
        epochs (int, optional): None: as proposed.
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
    inter_image = propose(num_images, feat_dim=model.neck.out_channels)
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
    return _plain(config)


def classification(kind: str, pretrained: Config, found: Survey, *,
                   library: str, size: int, checkpoint: str) -> Config:
    """Make an evaluation by the stock recipe, but for its data sets' paths.

    Args:
        kind (str): ``'linear'`` or ``'finetune'``.
        pretrained (Config): The pre-training.
        found (Survey): Of the same folder, with classes.
        library (str): ``'mmpretrain'`` or ``'mmselfsup'``.
        size (int): Of the views, in pixels.
        checkpoint (str): Of the pre-training.

    Returns:
        Config: Without ``_base_``.
    """
    config = Config.fromfile(
        find_config(f'resnet18_{kind}-1xb64-steplr-20e_digits_{library}.py'))
    backbone, stock = pretrained.model.backbone, config.model.backbone
    # mmselfsup's evaluations are models of mmcls.
    config.model.backbone = ConfigDict(
        type=backbone.type.split('.')[-1],
        depth=backbone.depth,
        norm_cfg=dict(type='BN'),
        frozen_stages=stock.frozen_stages,
        init_cfg=dict(
            type='Pretrained', checkpoint=checkpoint, prefix='backbone.'))
    config.model.backbone.update({
        name: backbone[name]
        for name in ('strides', 'stem_channels', 'base_channels')
        if name in backbone
    })
    count = len(found.classes)
    config.model.head.update(
        num_classes=count,
        in_channels=pretrained.model.neck.in_channels,
        topk=(1, min(5, count)))
    seen = pretrained.model.get('data_preprocessor',
                                pretrained.get('data_preprocessor'))
    config.model.data_preprocessor = dict(
        num_classes=count, mean=seen.mean, std=seen.std, to_rgb=True)
    config.pop('data_preprocessor', None)
    config.val_evaluator = config.test_evaluator = dict(
        type='Accuracy', topk=(1, min(5, count)))
    load, pack = dict(type='LoadImageFromFile'), config.pipeline[-1]
    views = dict(
        train=[
            load,
            dict(type='RandomResizedCrop', scale=size, backend='pillow'),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'), pack
        ],
        test=[
            load,
            dict(
                type='ResizeEdge',
                scale=256 if size == 224 else size,
                edge='short',
                backend='pillow'),
            dict(type='CenterCrop', crop_size=size), pack
        ])
    for name, view in (('train', 'train'), ('val', 'test')):
        loader = config[f'{name}_dataloader']
        loader.batch_size, loader.num_workers = 64, workers()
        loader.dataset = ConfigDict(
            type='ImageFolder',
            with_label=True,
            metainfo=dict(classes=list(found.classes)),
            pipeline=views[view])
    config.train_dataloader.dataset.skip_bad = True
    config.val_dataloader.dataset.test_mode = True
    config.test_dataloader = config.val_dataloader
    return _plain(config)


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


def workers() -> int:
    """Choose the number of loading processes."""
    return min(8, os.cpu_count() or 1)


def _recipe(library: str, algorithm: str, size: int) -> tuple:
    ready = _read('MoCo', READY[size][0], library)
    if algorithm == 'MoCo':
        batch = ready.train_dataloader.batch_size
        return ready, batch
    name = OTHERS[algorithm][size == 224]
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


def _plain(config: Config) -> Config:
    """Leave out what is only of use in files that others inherit from."""
    kept = {
        name: value
        for name, value in config._cfg_dict.to_dict().items()
        if name not in _SCAFFOLD
    }
    return Config(_without_scope(kept, config.default_scope))


def _without_scope(value, scope):
    if isinstance(value, dict):
        return {
            name: _without_scope(item, scope)
            for name, item in value.items()
            if not (name == '_scope_' and item == scope)
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_without_scope(item, scope) for item in value)
    return value

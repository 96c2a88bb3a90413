"""What is set in a folder's evaluations: linear and by the whole network."""
from mmengine.config import Config, ConfigDict

from ..upstream.tools import find_config
from .sizes import workers
from .survey import Survey
from .text import plain


def classification(kind: str, pretrained: Config, found: Survey, *,
                   library: str, size: int, checkpoint: str) -> Config:
    """Make an evaluation, but for its data sets' paths.

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
    if kind == 'linear':
        # MoCo's SGD at 30 is for features of one scale: on those of two
        # epochs on 2,000 images its loss rose to 2,800.
        config.optim_wrapper = ConfigDict(
            type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01))
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
    return plain(config)

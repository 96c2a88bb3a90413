"""The delivered digits configurations, cut down to seconds."""
import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
NUM_IMAGES = 96
BATCH = 16
# The digits configuration of each algorithm and library.
ALGORITHMS = {
    f'{path.parent.name}-{path.name.split("_")[0]}': path
    for path in sorted(CONFIGS.glob('mm*/interclr-*_digits_mm*.py'))
}


def small(path, work_dir=None):
    """Load any digits configuration and shorten its run to 6 steps."""
    config = Config.fromfile(path)
    config.work_dir = str(work_dir)
    config.merge_from_dict({
        'train_cfg.max_epochs': 1,
        'train_dataloader.batch_size': BATCH,
        'train_dataloader.dataset.indices': NUM_IMAGES,
        'model.inter_image.num_clusters': 6,
        'model.inter_image.sampler.num_negatives': 16,
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.logger.interval': 1,
    })
    _without_monitors(config)
    if 'queue_len' in config.model:
        config.model.queue_len = 64
    if 'memory_bank' in config.model:
        config.model.memory_bank.length = NUM_IMAGES
        config.model.neg_num = 16
    return config


def small_config(scope: str,
                 work_dir,
                 algorithm: str = 'interclr-moco',
                 epochs: int = 1,
                 **options) -> Config:
    """Load a digits configuration and make it small.

    Args:
        scope: 'mmselfsup' or 'mmpretrain'.
        work_dir: Where the run writes.
        algorithm: 'moco' or 'interclr-moco'.
        epochs: Of 6 steps each.
        **options: Dotted keys with '__' for '.'.
    """
    config = Config.fromfile(CONFIGS / scope /
                             f'{algorithm}_resnet18_1xb64-coslr-50e_digits_'
                             f'{scope}.py')
    config.work_dir = str(work_dir)
    config.merge_from_dict({
        'train_cfg.max_epochs': epochs,
        'train_dataloader.batch_size': BATCH,
        'train_dataloader.dataset.indices': NUM_IMAGES,
        'model.queue_len': 64,
        'model.backbone.base_channels': 4,
        'model.backbone.stem_channels': 4,
        'model.neck.in_channels': 32,
        'model.neck.hid_channels': 16,
        'model.neck.out_channels': 8,
        'model.feat_dim': 8,
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.logger.interval': 1,
        'visualizer': None,
    })
    _without_monitors(config)
    if algorithm.startswith('interclr'):
        config.merge_from_dict({
            'model.inter_image.num_clusters': 6,
            'model.inter_image.sampler.num_negatives': 16,
            'model.inter_image.sampler.pool_fraction': 0.25,
        })
    config.merge_from_dict(
        {name.replace('__', '.'): value
         for name, value in options.items()})
    return config


def _without_monitors(config: Config) -> None:
    # They cost time, and have tests of their own.
    kept = ('MemoryBankHook', 'ExactResumeHook')
    config.custom_hooks = [
        hook for hook in config.custom_hooks if hook.type in kept
    ]


def runner_of(config: Config) -> Runner:
    """Build the Runner; each gets an experiment of its own."""
    runner_of.count += 1
    config = copy.deepcopy(config)
    config.experiment_name = f'test_{runner_of.count}'
    return Runner.from_cfg(config)


runner_of.count = 0


def build_model(config: Config, scope: str):
    """Build the configuration's model without a Runner."""
    init_default_scope(scope)
    config = copy.deepcopy(config.model)
    return MODELS.build(config)


def fake_batch(scope, index=None):
    """Two views and samples as each library packs them."""
    if index is None:
        index = torch.randperm(NUM_IMAGES)[:BATCH]
    views = [torch.randn(len(index), 3, 32, 32) for _ in range(2)]
    if scope == 'mmselfsup':
        from mmengine.structures import InstanceData
        from mmselfsup.structures import SelfSupDataSample
        samples = [SelfSupDataSample() for _ in index]
        for sample, i in zip(samples, index):
            sample.sample_idx = InstanceData(value=i.reshape(1))
    else:
        from mmpretrain.structures import DataSample
        samples = [
            DataSample(metainfo=dict(sample_idx=int(i))) for i in index
        ]
    return views, samples

"""Little data sets as image files, where users have theirs."""
import numpy as np
from mmengine.runner import Runner
from PIL import Image


def write_images(folder, count, size, seed=0):
    """Write ``count`` random images of ``size`` x ``size`` pixels."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(
        256, size=(count, size, size, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f'{number:03}.jpg')


def write_imagenet(root):
    """Write 24 training and 24 validation images in ImageNet's layout."""
    (root / 'meta').mkdir(parents=True)
    for split, lists in (('train', ('train', 'train_1percent')),
                         ('val', ('val', ))):
        lines = []
        for label in range(2):
            name = f'n{label:08}'
            write_images(root / split / name, 12, 64, label)
            lines += [f'{name}/{i:03}.jpg {label}\n' for i in range(12)]
        for name in lists:
            (root / f'meta/{name}.txt').write_text(''.join(lines))


def train_one_step(config, work_dir):
    """Train a configuration for one step, on 4 of its own images.

    Returns:
        Runner: After the training.
    """
    config.work_dir = str(work_dir)
    config.train_dataloader.update(
        batch_size=4, num_workers=0, persistent_workers=False)
    dataset = config.train_dataloader.dataset
    parts = dataset.get('datasets', [dataset])  # of a ConcatDataset
    for part in parts:
        part.indices = 4 // len(parts)
    config.train_cfg.max_epochs = 1
    config.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=2, save_last=False)
    config.model.inter_image.update(
        num_clusters=2,
        labels=None,
        sampler=dict(num_negatives=1, pool_fraction=0.5))
    if 'queue_len' in config.model:
        config.model.queue_len = 8
    if 'memory_bank' in config.model:  # NPID's own
        config.model.memory_bank.length = 4
    if config.optim_wrapper.type == 'AmpOptimWrapper':  # needs CUDA
        config.optim_wrapper = dict(
            type='OptimWrapper', optimizer=config.optim_wrapper.optimizer)
    config.log_level = 'WARNING'
    config.experiment_name = str(work_dir)
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 1
    assert runner.model.inter_image.bank.status == 'clustered'
    return runner

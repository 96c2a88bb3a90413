"""A work directory without its training: real models, a bank of known rows."""
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from small_run import build_model, small_config

NUM_IMAGES, WIDTH, CLUSTERS = 48, 8, 6
STEPS = 6, 12, 18


def write_run(scope, folder, *, files=True, **options):
    """Write three checkpoints, whose images change clusters in between.

    Of the images 0 to 9 some move at the second checkpoint, of 5 to 14 some
    at the third.

    Args:
        scope: 'mmselfsup' or 'mmpretrain'.
        folder: To be made.
        files: The training set has files of images, and not arrays.
        **options: Of the configuration, as for `small_config`.

    Returns:
        Config: Of the run.
    """
    work_dir = folder / 'run'
    work_dir.mkdir(parents=True)
    config = small_config(scope, work_dir, **options)
    config.train_dataloader.dataset.indices = NUM_IMAGES
    config.model.inter_image.sampler.num_negatives = 8
    if files:
        _write_files(folder / 'images', folder / 'list.txt')
        pipeline = config.train_dataloader.dataset.pipeline
        config.train_dataloader.dataset = dict(
            type='CustomDataset',
            data_prefix=str(folder / 'images'),
            with_label=False,
            pipeline=[dict(type='LoadImageFromFile'), *pipeline])
        if scope == 'mmselfsup':
            config.train_dataloader.dataset.update(
                type='ImageList', ann_file=str(folder / 'list.txt'))
            config.train_dataloader.dataset.pop('with_label')
    config.dump(str(work_dir / 'config.py'))
    torch.manual_seed(0)
    model = build_model(config, scope)
    with torch.no_grad():
        # The momentum encoder is no longer the encoder.
        for each in model.parameters():
            each += torch.randn_like(each) / 20
        for name, each in model.named_buffers():
            if name.endswith('running_var'):
                each += torch.rand_like(each)
    branch = model.inter_image
    branch.allocate(NUM_IMAGES, 0)
    branch.fill(torch.randn(NUM_IMAGES, WIDTH))
    branch.first_clustering()
    for number, step in enumerate(STEPS, start=1):
        branch.bank.random.step = step
        moved = torch.arange(5 * (number - 2), 5 * number)[:10]
        if number > 1:
            branch.bank.write(moved, None,
                              torch.randint(CLUSTERS, (len(moved), )))
        torch.save(
            dict(meta={}, state_dict=model.state_dict()),
            work_dir / f'epoch_{number}.pth')
    return config


def _write_files(folder, listing):
    pixels = np.random.RandomState(0).randint(
        256, size=(NUM_IMAGES, 32, 32, 3)).astype(np.uint8)
    names = [f'{place}/same-{i}.png' for place in 'ab'
             for i in range(10, 10 + NUM_IMAGES // 2)]
    for name, image in zip(names, pixels):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    listing.write_text('\n'.join(names))


def state_of(folder, number=3):
    return torch.load(
        Path(folder) / f'run/epoch_{number}.pth',
        weights_only=True)['state_dict']


def images_as_input(paths):
    """What a network is given, written down from the configuration."""
    stack = np.stack([np.asarray(Image.open(path)) for path in paths])
    # As OpenCV reads them: blue first.
    stack = torch.from_numpy(stack[..., ::-1].copy()).permute(0, 3, 1, 2)
    return (stack.float() - 127.5) / 127.5


def cosine(one, other):
    return F.normalize(one.double(), dim=-1) @ F.normalize(
        other.double(), dim=-1).t()

"""The delivered configurations for small images, on files in folders."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_run import CONFIGS, runner_of

from interclr_plugin.evaluation import evaluate

FILES = {
    f'{path.parent.name}-{path.name.split("_")[0]}': path
    for path in sorted(CONFIGS.glob('mm*/interclr-*_cifar10_mm*.py'))
}

# One of them with every run of the tests.
SOME = [
    pytest.param(
        path,
        id=name,
        marks=[pytest.mark.slow] + [pytest.mark.matrix] *
        (name != 'mmselfsup-interclr-moco'))
    for name, path in FILES.items()
]


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Folders as CIFAR-10's: of blue images, and of red ones."""
    root = tmp_path_factory.mktemp('images')
    random = np.random.default_rng(0)
    for split, count in (('train', 32), ('test', 8)):
        for channel, name in ((0, 'blue'), (2, 'red')):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 100, (32, 32, 3), dtype=np.uint8)
                image[..., channel] += 150
                cv2.imwrite(str(folder / f'{number:04}.jpg'), image)
    return root


def small(path, images, work_dir):
    config = Config.fromfile(path)
    config.work_dir = str(work_dir)
    config.merge_from_dict({
        'train_cfg.max_epochs': 2,
        'train_dataloader.batch_size': 16,
        'train_dataloader.num_workers': 2,
        'train_dataloader.dataset.data_root': str(images),
        'model.backbone.base_channels': 4,
        'model.backbone.stem_channels': 4,
        'model.neck.in_channels': 32,
        'model.neck.hid_channels': 16,
        'model.inter_image.num_clusters': 4,
        'default_hooks.checkpoint.interval': 1,
    })
    if 'sampler' not in config.model.inter_image:  # relations have one
        config.model.inter_image.sampler = dict(num_negatives=4)
    if 'neck' in config.model.inter_image:  # BYOL's
        config.model.inter_image.neck.in_channels = 32
    if 'queue_len' in config.model:
        config.model.queue_len = 32
    return config


@pytest.mark.parametrize('path', SOME)
def test_it_trains_from_a_folder_and_is_evaluated(path, images, tmp_path):
    """Without it a user's own images might not load, train or be evaluated."""
    config = small(path, images, tmp_path)
    runner = runner_of(config)
    runner.train()
    branch = runner.model.inter_image
    assert branch.num_images == 64
    assert branch.bank.random.step == 8
    scalars = runner.message_hub.log_scalars
    assert torch.isfinite(torch.tensor(scalars['train/loss'].current()))
    scores = evaluate(config, str(tmp_path / 'epoch_2.pth'))
    assert (scores['num_train'], scores['num_test']) == (64, 16)
    # Blue or red, which any weights tell apart.
    assert scores['linear'] > 0.9



@pytest.mark.parametrize('path', FILES.values(), ids=FILES.keys())
def test_colours_reach_the_network_as_rgb(path, images, tmp_path):
    """Without it OpenCV's order could swap red and blue."""
    model = runner_of(small(path, images, tmp_path)).model
    image = cv2.imread(str(images / 'train' / 'red' / '0000.jpg'))
    view = torch.from_numpy(image).permute(2, 0, 1)
    batch = dict(inputs=[view[None], view[None]], data_samples=[None])
    data = model.data_preprocessor(batch, False)
    inputs = data['inputs'] if isinstance(data, dict) else data[0]
    red, _, blue = inputs[0][0].mean((1, 2))
    assert red > blue + 1

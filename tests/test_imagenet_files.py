"""The delivered ImageNet files: a training of each, on 4 images."""
import pytest
from image_files import write_imagenet
from mmengine.config import Config
from mmengine.runner import Runner
from small_run import CONFIGS

FILES = sorted(CONFIGS.glob('mm*/*in1k*.py'))
pytestmark = [pytest.mark.slow, pytest.mark.matrix]


@pytest.mark.parametrize(
    'path', FILES, ids=lambda path: f'{path.parent.name}-{path.stem}')
def test_it_trains(path, tmp_path, monkeypatch):
    """Without it a loader, schedule or size could fail once on a cluster."""
    monkeypatch.chdir(tmp_path)
    write_imagenet(tmp_path / 'data/imagenet')
    config = Config.fromfile(path)
    config.work_dir = str(tmp_path)
    config.train_dataloader.update(
        batch_size=4, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.indices = 4
    config.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=2, save_last=False)
    config.train_cfg.max_epochs = 1
    config.model.inter_image.num_clusters = 2
    if 'queue_len' in config.model:
        config.model.queue_len = 8
    if 'memory_bank' in config.model:  # NPID's own
        config.model.memory_bank.length = 4
    if config.optim_wrapper.type == 'AmpOptimWrapper':  # needs CUDA
        config.optim_wrapper = dict(
            type='OptimWrapper', optimizer=config.optim_wrapper.optimizer)
    config.log_level = 'WARNING'
    config.experiment_name = f'{path.parent.name}_{path.stem}'
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 1
    assert runner.model.inter_image.ready

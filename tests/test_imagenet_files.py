"""The delivered ImageNet files: one step of each."""
import pytest
from image_files import train_one_step, write_imagenet
from mmengine.config import Config
from small_run import CONFIGS

FILES = sorted(CONFIGS.glob('mm*/*in1k*.py'))
pytestmark = [pytest.mark.slow, pytest.mark.matrix]


@pytest.mark.parametrize(
    'path', FILES, ids=lambda path: f'{path.parent.name}-{path.stem}')
def test_it_trains(path, tmp_path, monkeypatch):
    """Without it a loader, schedule or size could fail once on a cluster."""
    monkeypatch.chdir(tmp_path)
    write_imagenet(tmp_path / 'data/imagenet')
    train_one_step(Config.fromfile(path), tmp_path)

"""The picture of the clusters in the visualisation backends."""
import copy

import numpy as np
import pytest
import torch
from libraries import FIRST
from mmengine.config import Config
from PIL import Image
from small_run import CONFIGS, runner_of, small_config

from interclr_plugin.checkpoints import load_state_dict
from interclr_plugin.monitors import MontageMonitor

BACKENDS = Config.fromfile(CONFIGS / '_base_' / 'monitors.py').backends


def config_with(folder, *names):
    """A run of two epochs whose pictures go to some backends."""
    config = small_config(FIRST, folder, epochs=2)
    config.visualizer = dict(
        type='Visualizer',
        vis_backends=[copy.deepcopy(BACKENDS[name]) for name in names])
    config.custom_hooks.append(
        dict(type='MontageMonitor', interval=1, clusters=4, members=3,
             size=32))
    return config


@pytest.mark.slow
def test_tensorboard_and_a_file_show_the_nearest_members(tmp_path):
    """Without it the picture could be of other images than it says, or of
    none; and a line of the configuration could be wrong."""
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing import event_accumulator
    runner = runner_of(config_with(tmp_path, 'local', 'tensorboard'))
    runner.train()
    folder, = tmp_path.glob('*/vis_data')
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    shown = events.Images('clusters_montage.png')
    assert [each.step for each in shown] == [6, 12]
    assert len(events.Scalars('change_ratio')) == 12
    shown = np.asarray(
        Image.open(folder / 'vis_image' / 'clusters_montage.png_12.png'))
    assert shown.shape == (4 * 34, 3 * 34, 3)
    # A loop over the checkpoint's rows gives the same pictures.
    state = load_state_dict(str(tmp_path / 'epoch_2.pth'))
    labels = state['inter_image.bank.labels']
    sizes = torch.bincount(labels, minlength=6)
    largest = min(range(6), key=lambda each: (-sizes[each], each))
    centre = state['inter_image.bank.centroids'][largest]
    scored = sorted(
        (-float(torch.cosine_similarity(row, centre, dim=0)), index)
        for index, row in enumerate(state['inter_image.bank.features'])
        if labels[index] == largest)
    dataset = runner.train_dataloader.dataset
    for place, (_, index) in enumerate(scored[:3]):
        image = dataset.get_data_info(index)['img']
        found = shown[:32, place * 34:place * 34 + 32]
        assert np.abs(found.astype(int) - image).max() <= 1


@pytest.mark.matrix
@pytest.mark.parametrize('name, package', [('wandb', 'wandb'),
                                           ('mlflow', 'mlflow')])
def test_other_backends_take_it(name, package, tmp_path, monkeypatch):
    """Without it the line for this backend could be wrong."""
    pytest.importorskip(package)
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_DIR', str(tmp_path))
    # Recent ones ask for a database, or for this.
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    config = config_with(tmp_path / 'run', name)
    runner_of(config).train()
    images = [path for path in tmp_path.rglob('*montage*')
              if path.suffix == '.png']
    assert images, sorted(map(str, tmp_path.rglob('*')))[:50]


def test_what_is_out_of_range_is_said():
    """Without it a picture without rows would end in a traceback."""
    for name in ('interval', 'clusters', 'members', 'size'):
        with pytest.raises(ValueError, match=f'{name}=0 must be at least 1'):
            MontageMonitor(**{name: 0})

"""A checkpoint that version 1.0.0 saved: ``version_1_0_0.pth`` is one.

InterCLR on MoCo with a neck of the branch's own, after one epoch of 96
digits, written by 1.0.0 (commit da40031); only its log was emptied.
"""
import shutil
from pathlib import Path

import pytest
import torch
from libraries import FIRST
from mmengine.hooks import Hook
from mmengine.runner import load_checkpoint
from small_run import NUM_IMAGES, build_model, runner_of, small_config

from interclr_plugin.checkpoints import load_state_dict, publish
from interclr_plugin.results.bank import read_bank

FILE = Path(__file__).with_name('version_1_0_0.pth')


def make(folder, epochs=2):
    config = small_config(
        FIRST,
        folder,
        epochs=epochs,
        model__backbone__base_channels=2,
        model__backbone__stem_channels=2,
        model__neck__in_channels=16)
    config.model.inter_image.neck = config.model.neck
    config.custom_hooks = [
        dict(type='MemoryBankHook'),
        dict(type='ExactResumeHook')
    ]
    config.param_scheduler = None
    return config


class AtStart(Hook):
    priority = 'VERY_LOW'
    state = None

    def before_train_iter(self, runner, *args, **kwargs):
        if self.state is None:
            self.state = {
                name: value.clone()
                for name, value in runner.model.state_dict().items()
            }


def train(config):
    runner, start = runner_of(config), AtStart()
    runner.register_hook(start, priority='VERY_LOW')
    runner.train()
    return runner, start.state


@pytest.fixture
def old():
    return torch.load(FILE, weights_only=True)['state_dict']


def bank_is(state, old):
    today = dict(
        features='bank.features', labels='labels.labels',
        centroids='labels.centroids', seed='random.seed', step='random.step')
    for new, before in today.items():
        assert torch.equal(state[f'inter_image.bank.{new}'],
                           old[f'inter_image.{before}']), new
    assert state['inter_image.bank.status'] == 2


def test_it_resumes(tmp_path, old):
    """Without it a run that 1.0.0 began could not be ended, or would start
    its bank anew in silence."""
    shutil.copy(FILE, tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    config = make(tmp_path)
    config.resume = True
    runner, start = train(config)
    bank_is(start, old)
    for name, value in start.items():
        if not name.startswith('inter_'):
            assert torch.equal(value, old[name]), name
        elif name.startswith('inter_neck.'):
            before = name.replace('inter_neck.', 'inter_image.neck.')
            assert torch.equal(value, old[before]), name
    assert runner.epoch == 2
    assert runner.model.inter_image.bank.random.step == 12
    text = next(tmp_path.glob('*/*.log')).read_text()
    assert 'Filling the memory bank' not in text


def test_its_images_are_still_compared(tmp_path):
    """Without it a bank of 1.0.0 could go on with other images."""
    config = make(tmp_path)
    config.load_from, config.resume = str(FILE), True
    config.train_dataloader.dataset.indices = [*range(1, NUM_IMAGES), 0]
    with pytest.raises(ValueError, match='images or their order changed'):
        runner_of(config).train()


def test_it_starts_a_new_run(tmp_path, old):
    """Without it ``load_from`` could lose the branch's neck, or take over a
    bank of other images."""
    config = make(tmp_path, epochs=1)
    config.load_from = str(FILE)
    config.train_dataloader.dataset.indices = NUM_IMAGES - 16
    config.model.inter_image.num_clusters = 5
    runner, start = train(config)
    for name in ('mlp.0.weight', 'mlp.0.bias'):
        assert torch.equal(start[f'inter_neck.{name}'],
                           old[f'inter_image.neck.{name}'])
    assert runner.model.inter_image.num_images == NUM_IMAGES - 16


def test_it_is_published_and_read(tmp_path, old):
    """Without it what 1.0.0 trained could not be handed on."""
    publish(str(FILE), str(tmp_path / 'published.pth'))
    weights = load_state_dict(tmp_path / 'published.pth')
    assert set(weights) == {
        name for name in old if not name.startswith('inter_image.')
    }
    bank = read_bank(old)
    assert torch.equal(bank.labels, old['inter_image.labels.labels'])
    assert 'inter_image.ready' in old  # not changed by reading
    model = build_model(make(tmp_path), FIRST)
    load_checkpoint(model, str(FILE))
    bank_is(model.state_dict(), old)

"""Runs with a sharded bank: saved, killed, resumed, on any processes."""
import copy

import pytest
import torch
from libraries import FIRST
from mmengine.hooks import Hook
from resumed_run import differences, run
from small_run import NUM_IMAGES, runner_of, small_config

from interclr_plugin.checkpoints import bank_shards, load_checkpoint

STEPS = 6
NAME = 'inter_image.bank.'
pytestmark = pytest.mark.slow


def make(folder, world, kind='ShardedMemoryBank', epochs=2):
    config = small_config(FIRST, folder, epochs=epochs)
    config.train_dataloader.batch_size = 16 // world
    config.model.inter_image.bank = dict(type=kind)
    config.model.inter_image.sampler = dict(
        num_negatives=6, pool_fraction=0.25)
    config.default_hooks.checkpoint.max_keep_ckpts = 2
    config.custom_hooks = [
        dict(type='MemoryBankHook'), dict(type='ExactResumeHook')
    ]
    return config


def load(folder, epoch=2):
    """A checkpoint with the rows that belong to it, and without the names of
    their files, which are used once."""
    checkpoint = torch.load(
        folder / f'epoch_{epoch}.pth', map_location='cpu', weights_only=False)
    bank_shards.attach(checkpoint, str(folder / f'epoch_{epoch}.pth'))
    state = checkpoint['state_dict']
    state[f'{NAME}features'] = state[f'{NAME}features'][:]
    about = checkpoint['meta'].pop(bank_shards.KEY, None)
    return checkpoint, about


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Two epochs of two processes, never stopped."""
    folder = tmp_path_factory.mktemp('whole')
    assert run(make(folder, 2), 2) == [0, 0]
    return folder


def test_a_killed_run_ends_as_one_that_never_stopped(whole, tmp_path):
    """Without it rows, their files or the draw among them could be other
    ones after a resume."""
    config = make(tmp_path, 2)
    codes = run(config, 2, stop=(STEPS + 3, 'kill'))
    assert all(code not in (0, None) for code in codes)
    config.resume = True
    assert run(config, 2) == [0, 0]
    (first, about), (second, _) = load(whole), load(tmp_path)
    assert not list(differences(first, second))
    assert about['shape'] == [NUM_IMAGES, 8]
    assert len(about['files']) == 2
    # The main file has no rows, and each other one half of them.
    state = torch.load(
        whole / 'epoch_2.pth', weights_only=False)['state_dict']
    assert f'{NAME}features' not in state
    for name in about['files']:
        assert len(torch.load(whole / name)) == NUM_IMAGES // 2


class AtStart(Hook):
    """Keep the state ahead of the first step."""
    priority = 'VERY_LOW'
    state = None

    def before_train_iter(self, runner, *args, **kwargs):
        if self.state is None:
            self.state = copy.deepcopy(runner.model.state_dict())


def test_to_one_process_and_back(whole, tmp_path):
    """Without it a run could only go on with as many processes as it had, or
    would fill its bank anew in silence."""
    config = make(tmp_path, 1, 'ClusteredBank', epochs=3)
    config.load_from, config.resume = str(whole / 'epoch_2.pth'), True
    runner, start = runner_of(config), AtStart()
    runner.register_hook(start, priority='VERY_LOW')
    runner.train()
    state = load(whole)[0]['state_dict']
    for name, value in state.items():
        if name.startswith(NAME):
            found = start.state[name]
            assert torch.equal(found, value.to(found.dtype)), name
    # Four processes go on from the replicated bank.
    config = make(tmp_path, 4, epochs=4)
    config.resume = True
    assert run(config, 4) == [0] * 4
    log = '\n'.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert 'Filling the memory bank' not in log
    found = load_checkpoint(str(tmp_path / 'epoch_4.pth'))['state_dict']
    assert len(found[f'{NAME}features'].paths) == 4
    assert found[f'{NAME}step'] == 4 * STEPS
    rows = found[f'{NAME}features'][:]
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(NUM_IMAGES))

"""The clock of everything that counts passes over the images."""
from types import SimpleNamespace

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import DataLoader

from interclr_plugin import runner as module
from interclr_plugin.runner import steps_per_pass


@pytest.mark.parametrize('sampler, size, world, drop_last, steps', [
    (InfiniteSampler, 96, 1, False, 6),
    (InfiniteSampler, 96, 2, False, 3),
    (InfiniteSampler, 96, 8, False, 1),
    (InfiniteSampler, 1500, 2, True, 47),
    (DefaultSampler, 96, 1, False, 6),
    (DefaultSampler, 96, 2, False, 3),
    (DefaultSampler, 20, 2, True, 1),
])
def test_steps_of_a_pass(monkeypatch, sampler, size, world, drop_last, steps):
    """Without it an InfiniteSampler on W processes, which has the length of
    the whole data set on each, makes every epoch W passes long."""
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info',
                        lambda: (0, world))
    monkeypatch.setattr(module, 'get_world_size', lambda: world)
    data = list(range(size))
    loader = DataLoader(
        data, batch_size=16, sampler=sampler(data, seed=0),
        drop_last=drop_last)
    assert steps_per_pass(SimpleNamespace(train_dataloader=loader)) == steps

"""Features of a whole data set, without a trace left behind."""
import random

import gloo
import numpy as np
import pytest
import torch
from torch import nn

from interclr_plugin.datasets.extraction import extract


class Drawing:
    """Items that draw from every generator when they are read."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        random.random(), np.random.rand(), torch.rand(1)
        return torch.full((3, ), float(index))


def features_of(size, batch_size=2):
    model = nn.utils.skip_init(nn.Linear, 3, 5).requires_grad_(False)
    model.weight.fill_(1.)
    model.bias.zero_()
    return extract(Drawing(size), model, model, batch_size=batch_size)


def test_all_random_states_stay_as_they_were():
    """Without it a run with an extraction in it would draw other numbers
    afterwards: Python's, NumPy's or torch's."""
    before = (random.getstate(), np.random.get_state()[1].tolist(),
              torch.get_rng_state())
    assert features_of(5)[:, 0].tolist() == [0, 3, 6, 9, 12]
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_the_model_is_in_eval_mode_meanwhile():
    """Without it features would depend on which images share a batch, and an
    extraction would move batch norm's running statistics."""
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout())
    model[1].eval()
    model[0].running_mean.fill_(1.)
    before = {name: value.clone() for name, value in
              model.state_dict().items()}
    found = extract(Drawing(5), model, model, batch_size=2)
    assert found[:, 0].tolist() == pytest.approx([-1, 0, 1, 2, 3], abs=1e-3)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    # Part by part as it was.
    assert model.training and model[0].training and not model[1].training


def test_the_devices_of_the_random_states_are_named(monkeypatch):
    """Without it torch warns on a machine with many GPUs, and saves the state
    of each of them."""
    named = []
    stock = torch.random.fork_rng

    def fork_rng(devices=None, *args, **kwargs):
        named.append(devices)
        return stock(devices, *args, **kwargs)

    monkeypatch.setattr(torch.random, 'fork_rng', fork_rng)
    features_of(2)
    assert named == [[]]


def work(rank, folder):
    torch.save(features_of(2), f'{folder}/{rank}.pth')


@pytest.mark.slow
def test_fewer_items_than_processes(tmp_path):
    """Without it a process without an item fails, and the others wait."""
    gloo.spawn(work, 3, str(tmp_path))
    for rank in range(3):
        found = torch.load(tmp_path / f'{rank}.pth')
        assert found.tolist() == [[0.] * 5, [3.] * 5]

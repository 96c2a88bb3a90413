"""Batches that go on from the middle of a pass, as if never stopped."""
import multiprocessing
import random
import subprocess

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler, worker_init_fn
from torch.utils.data import DataLoader, RandomSampler

from interclr_plugin.datasets.random_states import capture, restore
from interclr_plugin.datasets.resumable_loader import (
    ResumableLoader,
    not_resumable,
)

SIZE, BATCH = 22, 3


class Noisy:
    """Items that draw from every generator when they are read."""

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        return index, random.random(), np.random.rand(), torch.rand(1).item()


def seed(worker_id, workers):
    worker_init_fn(worker_id, workers, rank=0, seed=5)


class Seeded:

    def __init__(self, workers):
        self.workers = workers

    def __call__(self, worker_id):
        seed(worker_id, self.workers)


def stock(workers, persistent, sampler=DefaultSampler):
    return DataLoader(
        Noisy(),
        batch_size=BATCH,
        sampler=sampler(Noisy(), seed=3),
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        collate_fn=list,
        worker_init_fn=Seeded(workers) if workers else None)


def seeded():
    for number in (random.seed, np.random.seed, torch.manual_seed):
        number(7)


def read(loader, passes, first=0):
    for number in range(first, passes):
        loader.sampler.set_epoch(number)
        yield from loader


@pytest.mark.parametrize('workers, persistent', [(0, False), (3, False),
                                                 (3, True)])
@pytest.mark.parametrize('seen', [1, 4, 10])
def test_it_goes_on(workers, persistent, seen):
    """Without it a resumed run would see other images, or the same in other
    views; and the whole would not be what the stock loader gives."""
    seeded()
    expected = list(read(stock(workers, persistent), 3))
    seeded()
    loader = ResumableLoader(stock(workers, persistent))
    batches = read(loader, 3)
    found = [next(batches) for _ in range(seen)]
    position, states = loader.position(), capture()
    first = seen // len(loader)
    del batches, loader
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    loader = ResumableLoader(stock(workers, persistent))
    restore(states)
    loader.go_on_from(position, states=states)
    found += read(loader, 3, first)
    assert found == expected


def test_an_endless_sampler_goes_on():
    """Without it a run that counts steps would begin its images anew."""
    def endless(*args, **kwargs):
        return InfiniteSampler(*args, **kwargs)

    def some(loader, number):
        return [batch for _, batch in zip(range(number), loader)]

    expected = some(ResumableLoader(stock(2, True, endless)), 20)
    loader = ResumableLoader(stock(2, True, endless))
    batches = iter(loader)
    found = [next(batches) for _ in range(9)]
    position = loader.position()
    # What IterBasedTrainLoop takes before a hook can act.
    late = stock(2, True, endless)
    next(iter(late))
    loader = ResumableLoader(late)
    loader.go_on_from(position)
    assert found + some(loader, 11) == expected


def test_what_cannot_go_on_is_named():
    """Without it a run would be called exact whose order nobody knows."""
    def unseeded(dataset, seed):
        return RandomSampler(dataset)

    assert not_resumable(stock(0, False)) == []
    reason, = not_resumable(stock(0, False, unseeded))
    assert 'RandomSampler has no seed: set train_dataloader=' in reason


def test_workers_end_with_the_reader_alone():
    """Without it a cluster's SIGTERM would kill the workers of a process
    that is about to save; or one that exits would wait for them for ever."""
    loader = ResumableLoader(stock(2, True))
    batches = iter(loader)
    # A batch of each: both have started.
    next(batches), next(batches)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    for worker in workers:
        subprocess.run(['kill', '-TERM', str(worker.pid)], check=True)
    assert len(list(batches)) == len(loader) - 2
    assert all(worker.is_alive() for worker in workers)
    for worker in workers:
        worker.terminate()
        worker.join(60)
        assert worker.exitcode == 0

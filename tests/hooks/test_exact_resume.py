"""A run that was stopped and resumed ends as one that never stopped."""
import itertools

import pytest
import torch
from libraries import FIRST
from resumed_run import differences, run
from small_run import CONFIGS, small

EPOCHS, STEPS = 2, 6
CHOICES = [('mmselfsup', 'mmpretrain'), ('moco', 'simclr'),
           ('OnlineKMeans', 'OfflineKMeans'), (0, 2), (1, 2)]
# Half of the 32: whatever four of the choices are, all 16 ways to make them
# are tried with one of the fifth.
COMBINATIONS = [[choice[bit] for choice, bit in zip(CHOICES, bits)]
                for bits in itertools.product((0, 1), repeat=5)
                if sum(bits) % 2 == 0]
# Enough of them for every run of the tests.
FEW = [[FIRST, 'moco', 'OnlineKMeans', 0, 1],
       ['mmpretrain', 'simclr', 'OfflineKMeans', 2, 1]]


def make(folder, scope, algorithm, labels, workers, world, hook=True):
    name = f'interclr-{algorithm}_*_digits_{scope}.py'
    config = small(next((CONFIGS / scope).glob(name)), folder)
    config.merge_from_dict({
        'train_cfg.max_epochs': EPOCHS,
        'train_dataloader.num_workers': workers,
        'train_dataloader.batch_size': 16 // world,
    })
    if algorithm in ('moco', 'simclr'):
        config.merge_from_dict({
            'model.backbone.base_channels': 4,
            'model.backbone.stem_channels': 4,
            'model.neck.in_channels': 32,
        })
    config.model.inter_image.labels = dict(type=labels)
    if algorithm == 'simclr':
        config.model.neck.norm_cfg = dict(type='BN1d')
    config.custom_hooks = [dict(type='MemoryBankHook')]
    if hook:
        config.custom_hooks.append(dict(type='ExactResumeHook'))
    return config


def load(folder, epoch=EPOCHS):
    return torch.load(folder / f'epoch_{epoch}.pth', map_location='cpu',
                      weights_only=False)


@pytest.mark.parametrize('scope, algorithm, labels, workers, world',
                         [
                             pytest.param(
                                 *c,
                                 marks=[pytest.mark.slow] +
                                 [pytest.mark.matrix] * (c not in FEW))
                             for c in COMBINATIONS
                         ])
def test_stopped_or_killed(tmp_path, scope, algorithm, labels, workers,
                           world):
    """Without it a resume could lose weights, optimizer, schedule, queue,
    bank, labels, counters or random states, each of them in silence."""
    whole = make(tmp_path / 'whole', scope, algorithm, labels, workers, world)
    assert run(whole, world) == [0] * world
    # At an epoch's end; and in mid-epoch, by a kill.
    for kind, step in (('stop', STEPS), ('kill', STEPS + 3)):
        folder = tmp_path / kind
        config = make(folder, scope, algorithm, labels, workers, world)
        codes = run(config, world, stop=(step, kind))
        assert all(code not in (0, None) for code in codes)
        assert not (folder / f'epoch_{EPOCHS}.pth').exists()
        config.resume = True
        assert run(config, world) == [0] * world
        found = list(differences(load(tmp_path / 'whole'), load(folder)))
        assert not found, (kind, found)


@pytest.mark.slow
def test_without_the_hook_it_is_not_exact(tmp_path):
    """The control: if this run were equal too, the test above could not
    fail, or the hook would not be needed."""
    setting = (FIRST, 'moco', 'OnlineKMeans', 0, 1)
    run(make(tmp_path / 'whole', *setting, hook=False))
    config = make(tmp_path / 'stop', *setting, hook=False)
    run(config, stop=(STEPS, 'stop'))
    config.resume = True
    run(config)
    whole, resumed = load(tmp_path / 'whole'), load(tmp_path / 'stop')
    assert any('backbone' in name for name in differences(whole, resumed))


@pytest.mark.slow
@pytest.mark.parametrize(
    'seed', [None, pytest.param(5, marks=pytest.mark.matrix)])
def test_the_sampler_s_seed_is_the_run_s(tmp_path, seed):
    """Without it a run without a fixed seed, or whose sampler has one of its
    own, would see its images in another order after a resume."""
    setting = (FIRST, 'moco', 'OnlineKMeans', 0, 1)
    config = make(tmp_path, *setting)
    config.randomness = dict(seed=None)
    if seed is not None:
        config.train_dataloader.sampler.seed = seed
    run(config, stop=(STEPS, 'stop'))
    saved = load(tmp_path, 1)['sampler_seed']
    assert saved == seed or seed is None
    config.resume = True
    run(config)
    assert load(tmp_path)['sampler_seed'] == saved


# In the middle of an epoch
def persistent(config):
    config.train_dataloader.update(num_workers=2, persistent_workers=True)


def every_4_steps(config):
    config.default_hooks.checkpoint.update(by_epoch=False, interval=4)


def counted_in_steps(config):
    config.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=3 * STEPS)
    config.param_scheduler = None
    every_4_steps(config)


def infinite(config):
    counted_in_steps(config)
    config.train_dataloader.sampler.type = 'InfiniteSampler'


def accumulating(config):
    config.optim_wrapper.accumulative_counts = 5
    config.default_hooks.checkpoint.update(by_epoch=False, interval=4)


def accumulating_by_epoch(config):
    config.optim_wrapper.accumulative_counts = 4


# Name, changes, workers, processes, the step that a kill stops.
MIDDLES = {
    'epochs': ([every_4_steps], 0, 1, 9),
    'workers': ([every_4_steps], 2, 1, 5),
    'three_workers': ([every_4_steps], 3, 1, 9),
    'persistent': ([persistent, every_4_steps], 2, 1, 5),
    'persistent_by_epoch': ([persistent], 2, 1, 8),
    'steps': ([counted_in_steps], 0, 1, 9),
    'steps_persistent': ([counted_in_steps, persistent], 2, 1, 13),
    'infinite': ([infinite], 0, 1, 9),
    'infinite_workers': ([infinite], 2, 1, 9),
    'infinite_2': ([infinite, persistent], 2, 2, 9),
    'accumulating': ([accumulating], 0, 1, 9),
    'accumulating_2': ([accumulating], 0, 2, 9),
    'accumulating_by_epoch': ([accumulating_by_epoch], 0, 1, 8),
    'epochs_2': ([every_4_steps, persistent], 2, 2, 9),
}
MIDDLES_OF_EVERY_RUN = 'persistent', 'infinite_2', 'accumulating_2'


def last(folder):
    """Load the last file of a run of three epochs, whatever its name."""
    names = 'epoch_3.pth', f'iter_{3 * STEPS}.pth'
    return torch.load(
        next(folder / name for name in names if (folder / name).exists()),
        weights_only=False)


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    pytest.param(
        name,
        marks=[pytest.mark.matrix] * (name not in MIDDLES_OF_EVERY_RUN))
    for name in MIDDLES
])
def test_in_the_middle_of_an_epoch(tmp_path, name):
    """Without it batches would be seen twice and others not at all, workers
    would draw anew, or a gradient that waits for further batches be lost."""
    changes, workers, world, killed = MIDDLES[name]
    configs = [
        make(tmp_path / kind, FIRST, 'moco', 'OnlineKMeans', workers, world)
        for kind in ('whole', 'killed')
    ]
    for config in configs:
        config.train_cfg.max_epochs = 3
        for change in changes:
            change(config)
    assert run(configs[0], world) == [0] * world
    codes = run(configs[1], world, stop=(killed, 'kill'))
    assert all(code not in (0, None) for code in codes)
    configs[1].resume = True
    # Again, before every worker has given a batch.
    if killed == 9:
        run(configs[1], world, stop=(killed + 4, 'kill'))
    assert run(configs[1], world) == [0] * world
    found = list(
        differences(last(tmp_path / 'whole'), last(tmp_path / 'killed')))
    assert not found


# Longer runs, other algorithms, other hooks
def syncing(config):
    config.custom_hooks.append(dict(type='SyncBuffersHook'))


def averaging(config):
    config.custom_hooks.append(
        dict(type='EMAHook', momentum=0.5, update_buffers=True))


def every_other_epoch(config):
    config.model.inter_image.labels.interval = 2
    config.default_hooks.checkpoint.interval = 2


def relations(config):
    # Between two looks at the axes lie an epoch's end, and the kill.
    config.model.inter_image.sampler = dict(
        type='RelationSampler', whitening_interval=4)


# Algorithm, labels, changes, workers, processes, the step that a kill stops.
LONGER = {
    'offline_2': ('moco', 'OfflineKMeans', [], 0, 2, STEPS + 2),
    'simclr_offline_2': ('simclr', 'OfflineKMeans', [], 0, 2, STEPS + 2),
    'interval_2': ('moco', 'OfflineKMeans', [every_other_epoch], 0, 2,
                   2 * STEPS + 1),
    'syncing_2': ('moco', 'OfflineKMeans', [syncing, every_4_steps], 0, 2,
                  STEPS + 4),
    'averaging_2': ('moco', 'OfflineKMeans', [averaging], 0, 2, STEPS + 4),
    'byol': ('byol', 'OnlineKMeans', [every_4_steps], 0, 1, STEPS + 4),
    'swav': ('swav', 'OnlineKMeans', [], 0, 1, STEPS + 4),
    'mocov3': ('mocov3', 'OnlineKMeans', [every_4_steps], 0, 1, STEPS + 4),
    'relations_2': ('moco', 'OnlineKMeans', [relations, averaging], 0, 2,
                    STEPS + 4),
}
LONGER_OF_EVERY_RUN = 'offline_2', 'relations_2'


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    pytest.param(
        name, marks=[pytest.mark.matrix] * (name not in LONGER_OF_EVERY_RUN))
    for name in LONGER
])
def test_three_epochs(tmp_path, name):
    """Without it only what one epoch after a resume shows is seen: batch
    statistics of the other processes count at the next filling."""
    algorithm, labels, changes, workers, world, killed = LONGER[name]
    configs = [
        make(tmp_path / kind, FIRST, algorithm, labels, workers, world)
        for kind in ('whole', 'killed')
    ]
    for config in configs:
        config.train_cfg.max_epochs = 3
        for change in changes:
            change(config)
    assert run(configs[0], world) == [0] * world
    assert 0 not in run(configs[1], world, stop=(killed, 'kill'))
    configs[1].resume = True
    assert run(configs[1], world) == [0] * world
    assert not list(
        differences(last(tmp_path / 'whole'), last(tmp_path / 'killed')))


@pytest.mark.slow
@pytest.mark.parametrize(
    'world', [1, pytest.param(2, marks=pytest.mark.matrix)])
def test_a_run_that_is_made_longer(tmp_path, world):
    """Without it the clustering that a run leaves out at its end, where it
    is of no use any more, is never made."""
    configs = [
        make(tmp_path / kind, FIRST, 'moco', 'OfflineKMeans', 0, world)
        for kind in ('whole', 'longer')
    ]
    configs[0].train_cfg.max_epochs = 3
    assert run(configs[0], world) == [0] * world
    assert run(configs[1], world) == [0] * world
    configs[1].resume, configs[1].train_cfg.max_epochs = True, 3
    assert run(configs[1], world) == [0] * world
    assert not list(
        differences(last(tmp_path / 'whole'), last(tmp_path / 'longer')))

"""Alarms: each happens once in a real run, and a healthy run raises none."""
from unittest import mock

import numpy as np
import pytest
import torch
from libraries import FIRST
from mmengine.hooks import Hook
from small_run import NUM_IMAGES, runner_of, small_config

from interclr_plugin.monitors import (
    AlarmHook,
    RepresentationMonitor,
    alarm_hook,
    alarms,
)

CAUSES = ('collapse', 'one cluster', 'restless labels',
          'dead inter-image loss')


class Collapse(Hook):
    """Give every image the same projection, for some steps."""
    priority = 'VERY_HIGH'

    def __init__(self, until):
        self.until = until

    def before_train(self, runner):
        self.last = runner.model.neck.mlp[-1].weight
        self.weight = self.last.detach().clone()
        with torch.no_grad():
            self.last.zero_()
            runner.model.encoder_k.module[1].mlp[-1].weight.zero_()

    def before_train_iter(self, runner, *args, **kwargs):
        if runner.iter == self.until:
            with torch.no_grad():
                self.last.copy_(self.weight)
                runner.model.encoder_k.module[1].mlp[-1].weight.copy_(
                    self.weight)


def log_of(scope, folder, *hooks, epochs=4, **options):
    config = small_config(scope, folder, epochs=epochs, **options)
    config.custom_hooks[0].statistics_interval = 3
    config.custom_hooks.extend([
        dict(type='RepresentationMonitor', interval=3),
        dict(type='AlarmHook', interval=3, **dict(hooks))
    ])
    return config


def warnings_in(folder):
    path, = folder.glob('*/*.log')
    lines = path.read_text().splitlines()
    return {
        cause: [line for line in lines if f': {cause}: ' in line]
        for cause in CAUSES
    }, lines


@pytest.mark.parametrize('scope', [
    pytest.param('mmselfsup', marks=pytest.mark.matrix),
    'mmpretrain',
])
def test_a_healthy_run_raises_none(scope, tmp_path):
    """Without it users would learn to ignore the alarms."""
    runner_of(log_of(scope, tmp_path, epochs=3)).train()
    found, _ = warnings_in(tmp_path)
    assert found == {cause: [] for cause in CAUSES}


# Without repairs one cluster soon has every image, and there are no negatives.
@pytest.mark.parametrize('scope, repaired', [
    ('mmselfsup', True),
    pytest.param('mmpretrain', False, marks=pytest.mark.matrix),
])
def test_constant_features(scope, repaired, tmp_path):
    """Without it a collapse, the cluster that then takes all, and a loss at
    chance or 0 could go unnoticed; or be told at every step, or for ever."""
    config = log_of(scope, tmp_path, epochs=6)
    config.optim_wrapper.optimizer.lr = 0.
    config.model.inter_image.labels = dict(
        type='OnlineKMeans', small_cluster_interval=1 if repaired else 1000)
    # Which of equal products is the largest hangs on rounding, and one cluster
    # may take all but the 2 of each of the 5 others: so many are enough here.
    config.model.inter_image.sampler = dict(num_negatives=8, pool='exact')
    runner = runner_of(config)
    runner.register_hook(Collapse(until=24), priority='VERY_HIGH')
    runner.train()
    found, lines = warnings_in(tmp_path)
    assert found.pop('restless labels') == []
    for line, in found.values():
        assert 'WARNING' in line and 'Likely causes: ' in line
        step = int(line.split('Step ')[1].split(':')[0])
        assert 6 < step <= 24  # after the first epoch's grace
    # 8 negatives at T 0.2, margin -0.5 and weight 0.25.
    chance = 0.25 * np.log(1 + 8 * np.exp(0.5 / -0.2))
    words = f'give {chance:.4g}' if repaired else 'it is 0'
    assert words in found['dead inter-image loss'][0]
    over = [line for line in lines if 'no longer holds' in line]
    assert any('"collapse"' in line for line in over)
    assert any('"dead inter-image loss"' in line for line in over)


def test_labels_that_do_not_settle(tmp_path, monkeypatch):
    """Without it labels that change to the end could go unnoticed, or be
    told of at the start, where they have to change."""
    monkeypatch.setattr(alarm_hook, '_LATE_EPOCHS', 2)
    config = log_of(FIRST, tmp_path, ('max_change_ratio', 0.))
    runner_of(config).train()
    line, = warnings_in(tmp_path)[0]['restless labels']
    assert 'Step 21: ' in line  # of 24: the first look in the last fifth
    assert 'num_clusters' in line


class Forget(Hook):
    """Draw all weights anew at each step."""
    priority = 'VERY_HIGH'

    def before_train_iter(self, runner, *args, **kwargs):
        with torch.no_grad():
            for weight in runner.model.parameters():
                weight.normal_()


def test_relations_that_are_not_learnt(tmp_path, monkeypatch):
    """Without it a run could end with a loss that is worse than that of a
    network which knows nothing, as one of the study did, and none be told."""
    monkeypatch.setattr(alarm_hook, '_LATE_EPOCHS', 2)
    config = log_of(FIRST, tmp_path)
    config.model.inter_image.sampler = dict(type='RelationSampler')
    runner = runner_of(config)
    runner.register_hook(Forget(), priority='VERY_HIGH')
    runner.train()
    line, = warnings_in(tmp_path)[0]['dead inter-image loss']
    assert 'Step 21: ' in line  # of 24: the first look in the last fifth
    seen, given = (float(line.split(f'{words} ')[1].split()[0].strip(':.'))
                   for words in ('inter_loss is', 'information give'))
    assert seen > given == pytest.approx(
        runner.model.inter_weight * np.log(NUM_IMAGES // 2), abs=1e-3)


def test_features_that_are_much_alike_at_the_end(tmp_path, monkeypatch):
    """Without it a training that went badly could end without a word; at its
    start features of any network are as much alike."""
    monkeypatch.setattr(alarm_hook, '_LATE_EPOCHS', 2)
    config = log_of(FIRST, tmp_path, ('min_late_relative_std', 2.))
    runner_of(config).train()
    line, = warnings_in(tmp_path)[0]['collapse']
    assert 'Step 21: ' in line and 'below 2' in line


@pytest.mark.parametrize('hooks, lines', [([], 1),
                                          ([RepresentationMonitor()], 0)])
def test_the_monitor_that_is_missing_is_named(hooks, lines):
    """Without it a collapse would not be watched for, in silence."""
    runner = mock.Mock(hooks=hooks)
    AlarmHook().before_train(runner)
    assert runner.logger.warning.call_count == lines


@pytest.mark.parametrize('losses, words', [
    (np.zeros(20), 'it is 0'),
    (np.full(20, 0.8), 'it does not move'),
    (np.full(20, 0.7721), 'without any information'),
    (0.77 + 0.01 * np.sin(np.arange(20)), None),
    (1.5 + 0.001 * np.sin(np.arange(20)), None),
])
def test_which_losses_are_dead(losses, words):
    """Without it a loss that passes by the value of chance could alarm."""
    text = alarms.dead_loss(losses, [0.77], 0.25)
    assert (words in text) if words else text is None


@pytest.mark.parametrize('mean, is_dead', [(1.5, True), (0.75, False)])
def test_some_losses_are_dead_above_chance(mean, is_dead):
    losses = mean + 0.01 * np.sin(np.arange(20))
    assert bool(alarms.dead_loss(losses, [0.77], 0.25, True)) == is_dead


def test_two_even_clusters_are_fine():
    """Without it half of the images in one of two clusters would alarm."""
    assert alarms.one_cluster(60, 100, 2, 0.5) is None
    assert '80 of 100 images, above 75' in alarms.one_cluster(80, 100, 2, 0.5)
    assert alarms.one_cluster(51, 100, 50, 0.5) is None
    assert alarms.one_cluster(52, 100, 50, 0.5)

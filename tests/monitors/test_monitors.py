"""Monitors in real runs: what they log, and that they change nothing."""
import json
import re

import numpy as np
import pytest
import torch
from libraries import FIRST, one_of_them
from mmengine.config import Config
from mmengine.hooks import Hook
from resumed_run import differences
from sklearn import metrics
from small_run import CONFIGS, runner_of, small_config

from interclr_plugin.evaluation import evaluate
from interclr_plugin.inter_image import MarginNCELoss
from interclr_plugin.monitors import LabelMonitor
from interclr_plugin.monitors.measures import hardest_share

pytestmark = pytest.mark.slow

EPOCHS, STEPS = 2, 6
BY_STEP = ['ClusterMonitor', 'RepresentationMonitor', 'PairMonitor']
MONITORS = [dict(type=name, interval=4) for name in BY_STEP] + [
    dict(type='LabelMonitor'),
    dict(type='OnlineKNNHook', interval=1, k=5),
    dict(type='AlarmHook', interval=4)
]
# At the ends of epochs too.
SIZES = {'clusters/smallest', 'clusters/largest', 'clusters/small'}
EVERY_FOUR = {
    'clusters/empty', 'clusters/entropy', 'representation/effective_rank',
    'representation/std', 'representation/relative_std',
    'representation/uniformity', 'representation/alignment',
    'pairs/positive_similarity', 'pairs/negative_similarity',
    'pairs/hardest_share'
}
EVERY_EPOCH = {
    'clusters/churn', 'clusters/repaired', 'labels/nmi', 'labels/ari',
    'labels/purity', 'labels/true_positives', 'labels/false_negatives',
    'knn/top1'
}


def config_of(scope, folder, hooks=(), **options):
    config = small_config(scope, folder, epochs=EPOCHS, **options)
    config.custom_hooks[0].statistics_interval = 4
    config.custom_hooks.extend(dict(hook) for hook in hooks)
    # A repair at each step, so that there is something to see.
    config.model.inter_image.labels = dict(
        type='OnlineKMeans', min_cluster_size=6)
    return config


def checkpoint(folder, epoch=EPOCHS):
    return torch.load(folder / f'epoch_{epoch}.pth', weights_only=False)


def history(saved, name):
    return saved['message_hub']['log_scalars'][f'train/{name}'].data[0]


class Record(Hook):
    """Keep the labels of each step, and stop at one."""
    priority = 'VERY_LOW'

    def __init__(self, stop=None):
        self.stop, self.labels = stop, []

    def before_train(self, runner):
        self.first = runner.model.inter_image.bank.labels.clone()

    def before_train_iter(self, runner, *args, **kwargs):
        if runner.iter == self.stop:
            raise KeyboardInterrupt

    def after_train_iter(self, runner, *args, **kwargs):
        self.labels.append(runner.model.inter_image.bank.labels.clone())


def train(config, stop=None):
    record = Record(stop)
    runner = runner_of(config)
    runner.register_hook(record, priority='VERY_LOW')
    try:
        runner.train()
    except KeyboardInterrupt:
        assert stop is not None
    return record, runner


@pytest.fixture(
    scope='module',
    params=one_of_them())
def watched(request, tmp_path_factory):
    """A run with all monitors, and its folder."""
    folder = tmp_path_factory.mktemp('watched')
    config = config_of(request.param, folder, MONITORS)
    # At no step that is measured: mmengine's lines alone would come late.
    config.default_hooks.logger.interval = 5
    config.visualizer = dict(
        type='Visualizer',
        vis_backends=[
            dict(type='LocalVisBackend'),
            dict(type='TensorboardVisBackend')
        ])
    record, runner = train(config)
    return request.param, folder, config, record, runner


def test_they_change_nothing(watched, tmp_path):
    """Without it a monitor could draw from a generator of the training, or
    write to what it looks at: weights, bank and random states agree bit for
    bit with a run without monitors."""
    scope, folder, _, _, _ = watched
    train(config_of(scope, tmp_path))
    ours, plain = checkpoint(folder), checkpoint(tmp_path)
    for name in ('state_dict', 'optimizer', 'param_schedulers',
                 'random_states'):
        assert not list(differences(plain[name], ours[name], name))
    assert (history(plain, 'loss') == history(ours, 'loss')).all()


def test_every_value_reaches_every_backend(watched):
    """Without it users could see a mean over steps, a late value, or none.

    Each value that was measured stands in the log's file and in TensorBoard
    at the step at which it was measured.
    """
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )
    _, folder, _, _, _ = watched
    saved = checkpoint(folder)
    logs, = folder.glob('*/vis_data')
    lines = [
        json.loads(line)
        for line in (logs / 'scalars.json').read_text().splitlines()
    ]
    events = EventAccumulator(str(logs))
    events.Reload()
    steps = dict.fromkeys(EVERY_FOUR, [4, 8, 12])
    steps.update(dict.fromkeys(SIZES, [4, 6, 8, 12]))
    steps.update(dict.fromkeys(EVERY_EPOCH, [6, 12]))
    for name, when in steps.items():
        assert 'loss' not in name
        values = history(saved, name)
        assert len(values) == len(when), name
        for step, value in zip(when, values):
            shown = {
                line[name]
                for line in lines if line['step'] == step and name in line
            }
            assert shown == {value}, name
            shown = [e.value for e in events.Scalars(name) if e.step == step]
            assert shown and shown == pytest.approx([value] * len(shown))


def test_labels_are_compared_as_they_are(watched):
    """Without it the labels of another moment could be compared."""
    scope, folder, _, record, runner = watched
    saved = checkpoint(folder)
    dataset = runner.train_dataloader.dataset
    truth = [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]
    before = record.first
    for epoch in range(EPOCHS):
        labels = record.labels[STEPS * (epoch + 1) - 1]
        for name, function in (('nmi', metrics.normalized_mutual_info_score),
                               ('ari', metrics.adjusted_rand_score)):
            assert history(saved, f'labels/{name}')[epoch] == pytest.approx(
                function(truth, labels))
        churn = sum(a != b for a, b in zip(before.tolist(), labels.tolist()))
        assert history(saved, 'clusters/churn')[epoch] == pytest.approx(
            churn / len(dataset))
        before = labels
    sizes = np.bincount(record.labels[11], minlength=6)
    assert history(saved, 'clusters/largest')[-1] == sizes.max()
    assert history(saved, 'clusters/empty')[-1] == (sizes == 0).sum()
    assert history(saved, 'clusters/repaired').max() > 0


def test_knn_is_the_evaluation_s(watched):
    """Without it the number could differ from the one that is reported: it
    is that of each epoch's checkpoint, to the last digit."""
    _, folder, config, _, _ = watched
    first = history(checkpoint(folder), 'knn/top1')[0]
    assert evaluate(config, str(folder / 'epoch_1.pth'), k=5)['knn'] == first


def test_a_resumed_run_measures_the_same(watched, tmp_path):
    """Without it churn could count from the resume, or the rows be others."""
    scope, folder, _, _, _ = watched
    if scope == 'mmpretrain':
        pytest.skip('mmengine resumes, the same for both')
    config = config_of(scope, tmp_path, MONITORS)
    train(config, stop=STEPS)
    config.resume = True
    train(config)
    found = list(differences(checkpoint(folder), checkpoint(tmp_path)))
    assert not found


def test_pairs_in_parts(tmp_path, monkeypatch):
    """Without it a batch that comes in parts could be counted as its last
    part, or a tap left on could count other steps."""
    given = {}
    forward = MarginNCELoss.forward

    def listen(self, positive, negatives, valid=None):
        step = runner.iter + 1
        given.setdefault(step, []).append(
            (positive.detach(), negatives.detach(), valid))
        return forward(self, positive, negatives, valid)

    monkeypatch.setattr(MarginNCELoss, 'forward', listen)
    config = config_of(
        FIRST,
        tmp_path, [dict(type='PairMonitor', interval=4)],
        model__inter_image__queries_at_once=5)
    runner = runner_of(config)
    runner.train()
    saved = checkpoint(tmp_path)
    for number, step in enumerate((4, 8, 12)):
        assert len(given[step]) == 4  # 16 queries in parts of 5
        positive, negatives, valid = (
            torch.cat(part) for part in zip(*given[step]))
        assert len(positive) == 16
        for name, expected in (
            ('positive_similarity', positive.mean()),
            ('negative_similarity', negatives[valid].mean()),
            ('hardest_share', hardest_share(negatives, valid, 0.2).mean())):
            assert history(saved, f'pairs/{name}')[number] == pytest.approx(
                float(expected), rel=1e-5)


def test_false_negatives(tmp_path):
    """Without it the estimate could count free slots, or the query's own.

    Negatives of the random strategy are uniform over the other clusters, so
    their share can be summed over all images.
    """
    config = small_config('mmpretrain', tmp_path)
    config.model.inter_image.sampler = dict(
        strategy='random', num_negatives=40)
    config.custom_hooks.append(dict(type='LabelMonitor', num_queries=4000))
    record, runner = train(config)
    monitor, = (h for h in runner.hooks if isinstance(h, LabelMonitor))
    truth, labels = monitor._truth, record.labels[-1].numpy()
    shares = [
        np.mean(truth[labels != labels[image]] == truth[image])
        for image in range(len(truth))
    ]
    found = history(checkpoint(tmp_path, 1), 'labels/false_negatives')
    assert found == pytest.approx([np.mean(shares)], abs=5e-3)


def test_pairs_that_all_count(tmp_path):
    """Without it a sampler of relations would be measured as one that draws
    from clusters, or its own image be counted among the right ones."""
    config = small_config('mmpretrain', tmp_path)
    config.model.inter_image.sampler = dict(
        type='RelationSampler', num_candidates=96)  # all
    config.custom_hooks += [
        dict(type='LabelMonitor', num_queries=2000),
        dict(type='PairMonitor', interval=1)
    ]
    _, runner = train(config)
    branch = runner.model.inter_image
    monitor, = (h for h in runner.hooks if isinstance(h, LabelMonitor))
    truth, rows = monitor._truth, branch.bank.features
    compared = branch.sampler.whitening(rows).double().numpy()
    shares, false = [], []
    for image in range(len(truth)):
        others = [j for j in range(len(truth)) if j != image]
        counts = np.exp([compared[image] @ compared[j] / 0.05 for j in others])
        same = truth[others] == truth[image]
        shares.append(counts[same].sum() / counts.sum())
        false.append(same.mean())
    saved = checkpoint(tmp_path, 1)
    assert history(saved, 'labels/true_positives')[-1] == pytest.approx(
        np.mean(shares), abs=0.02)
    assert history(saved, 'labels/false_negatives')[-1] == pytest.approx(
        np.mean(false), abs=0.01)
    assert len(history(saved, 'pairs/positive_similarity')) == 6


def test_the_lists_to_copy(tmp_path):
    """Without it the lines that users copy could fail, or name a hook that
    nothing here tests."""
    text = (CONFIGS / '_base_' / 'monitors.py').read_text()
    lines = re.findall(r'^# {3}(\w+ = .*)$', text, re.MULTILINE)
    (tmp_path / 'my_base.py').write_text('')
    path = tmp_path / 'my_config.py'
    path.write_text('\n'.join(lines))
    config = Config.fromfile(path)
    added = [*config.custom_hooks[1:], *config.label_monitors]
    assert {hook.type for hook in added} == {hook['type'] for hook in MONITORS}


@pytest.mark.parametrize('hook, text', [
    (dict(type='LabelMonitor'), 'remove LabelMonitor from custom_hooks'),
    (dict(type='OnlineKNNHook'), 'remove OnlineKNNHook from custom_hooks'),
])
def test_a_data_set_without_labels(tmp_path, monkeypatch, hook, text):
    """Without it users would not know which hook wants labels."""
    from interclr_plugin.datasets import Digits
    load = Digits.load_data_list
    monkeypatch.setattr(
        Digits, 'load_data_list', lambda self: [
            dict(entry, gt_label=-1) for entry in load(self)
        ])
    with pytest.raises(ValueError, match=text):
        train(config_of(FIRST, tmp_path, [hook]))


@pytest.mark.parametrize('hook, name', [
    ('ClusterMonitor', 'interval'),
    ('RepresentationMonitor', 'num_rows'),
    ('LabelMonitor', 'num_queries'),
    ('OnlineKNNHook', 'num_test'),
    ('OnlineKNNHook', 'temperature'),
    ('AlarmHook', 'interval'),
])
def test_impossible_arguments_are_named(hook, name):
    """Without it a mistyped setting would fail far from its line."""
    from mmengine.registry import HOOKS
    with pytest.raises(ValueError, match=f"type='{hook}', {name}=") as error:
        HOOKS.build(dict(type=hook, **{name: 0}))
    assert f'{name}=0' in str(error.value)

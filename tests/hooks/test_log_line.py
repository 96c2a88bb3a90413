"""What a person reads in the log."""
import json
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import LogProcessor
from small_run import ALGORITHMS, runner_of, small, small_config

from interclr_plugin.hooks import log_line


@pytest.fixture
def scope(one_scope):
    return one_scope


def logged(folder):
    """Lines of a run's log, and what the backends got."""
    text, = folder.glob('*/*.log')
    scalars, = folder.glob('*/vis_data/scalars.json')
    lines = text.read_text().splitlines()
    return lines, [json.loads(line) for line in scalars.open()]


def test_a_step_is_one_short_line(scope, tmp_path):
    """Without it the numbers that matter would be lost among twenty others;
    the sizes of clusters would never be told where an epoch is short."""
    config = small(ALGORITHMS[f'{scope}-interclr-densecl'], tmp_path)
    config.train_cfg.max_epochs = 2
    config.visualizer = None
    runner_of(config).train()
    lines, scalars = logged(tmp_path)
    steps = [line for line in lines if ' loss ' in line]
    assert len(steps) == 12
    assert max(map(len, steps)) <= 120
    values = [line for line in scalars if 'iter' in line][-1]
    # The stock loss has two parts, and the line their sum.
    intra = sum(values[name] for name in values if name.startswith('intra_'))
    assert steps[-1].split(' - ')[-1] == (
        f'[2][6/6] eta 0m00s loss {values["loss"]:.3f} intra {intra:.3f} '
        f'inter {values["inter_loss"]:.3f} '
        f'change_ratio {values["change_ratio"]:.2f}')
    # The rest is not lost.
    assert {'lr', 'time', 'data_time', 'clusters/smallest'} <= set(values)
    clusters = [line for line in lines if 'Clusters: 6, ' in line]
    assert len(clusters) == 3  # the first clustering and each epoch's end
    measured = [line for line in scalars if 'iter' not in line]
    assert [line['step'] for line in measured] == [6, 12]
    last = measured[-1]
    assert (f'{last["clusters/smallest"]} to {last["clusters/largest"]} '
            'images, median ') in clusters[-1]


@pytest.mark.parametrize('asked, stock', [
    (dict(window_size=3, by_epoch=False), False),
    (dict(type='LogProcessor', window_size=3), True),
    (None, False),
])
def test_a_log_processor_of_ones_own_stays(asked, stock, scope, tmp_path):
    """Without it a configuration could not choose another line, or would
    lose the settings of its own."""
    config = small_config(scope, tmp_path)
    config.log_processor = asked
    runner = runner_of(config)
    log_line.shorten(runner)
    assert (type(runner.log_processor) is LogProcessor) == stock
    if asked:
        assert runner.log_processor.window_size == 3
        assert runner.log_processor.by_epoch == asked.get('by_epoch', True)


def test_the_longest_line(monkeypatch):
    """200 epochs of ImageNet, days to go and a loss of thousands: without it
    the line could be short for small runs alone."""
    values = dict(
        loss=1234.56, intra_loss=1200.12, inter_loss=0.9, change_ratio=0.993)
    monkeypatch.setattr(LogProcessor, 'get_log_after_iter',
                        lambda *args: (values, ''))
    runner = SimpleNamespace(
        train_dataloader=range(5004),
        epoch=199,
        message_hub=SimpleNamespace(
            runtime_info=['eta'], get_info=lambda name: 400000.))
    _, line = log_line.ShortLogProcessor().get_log_after_iter(
        runner, 5003, 'train')
    assert line == ('[200][5004/5004] eta 4d15h loss 1235. intra 1200. '
                    'inter 0.900 change_ratio 0.99')
    prefix = '2026/11/24 12:50:31 - mmengine - INFO - '
    assert len(prefix + line) <= 120


@pytest.mark.parametrize('sizes, words', [
    ([3, 412, 20], 'Clusters: 3, 3 to 412 images, median 20'),
    ([5, 0], 'Clusters: 2, 0 to 5 images, median 5'),
])
def test_clusters_in_words(sizes, words):
    """Without it sizes could be told that are not the clusters'."""
    assert log_line.clusters_in_words(torch.tensor(sizes)) == words


@pytest.mark.parametrize('seconds, words', [
    (0, '0m00s'), (70.9, '1m10s'), (3725, '1h02m'), (360000, '4d04h')])
def test_the_time_left(seconds, words):
    """Without it minutes could be taken for hours."""
    assert log_line._time(seconds) == words

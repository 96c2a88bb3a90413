"""Mistakes that people make in a configuration, and what they are told."""
import logging

import pytest
import torch
from libraries import INSTALLED, one_of_them
from mmengine.config import Config
from mmengine.registry import MODELS
from small_run import runner_of, small_config

from interclr_plugin.inter_image import OnlineKMeans, PairSampler
from interclr_plugin.settings import nearest

GONE = object()
BRANCH = r'model=dict\(inter_image=dict\('
BANK_HOOK = dict(type='MemoryBankHook')

# What is changed in a configuration that trains, and what is said then.
MODEL = {
    'a key of the branch': (
        {'inter_image.num_cluster': 10},
        rf"'num_cluster'.*Write {BRANCH}num_clusters=...\)\).*Allowed: num_"),
    'a key of the bank in the branch': (
        {'inter_image.momentum': 0.2},
        rf"'momentum'.*write {BRANCH}bank=dict\(momentum=...\)\)\)"),
    'a key of the branch in the model': (
        {'num_clusters': 10},
        rf'another part: write {BRANCH}num_clusters=...\)\)'),
    'a key of the sampler': (
        {'inter_image.sampler.stratgy': 'hard'},
        rf"'strategy'\? Write {BRANCH}sampler=dict\(strategy=...\)\)\)"),
    'a key of the labels': (
        {'inter_image.labels': dict(min_size=3)},
        "'min_cluster_size'.*Allowed: min_cluster_size, centroid_interval"),
    'a number of clusters in the labels': (
        {'inter_image.labels': dict(num_clusters=3)},
        r'num_clusters is written once.*inter_image=dict\(num_clusters=...\)'),
    'a key of the bank': (
        {'inter_image.bank': dict(momentm=0.5)}, "'momentum'.*dtype"),
    'a key of the loss': (
        {'inter_image.loss': dict(tau=0.5)},
        "no setting 'tau'.*Allowed: margin, margin_type, temperature"),
    'a key of the model': (
        {'inter_wieght': 0.5},
        r"MoCo has no setting 'inter_wieght'.*Write .*inter_weight=...\)"),
    'no number of clusters': (
        {'inter_image': dict(feat_dim=8)},
        rf'needs num_clusters.*Write {BRANCH}num_clusters=...\)\)'),
    'no algorithm': (
        {'algorithm': GONE},
        r"needs algorithm.*model=dict\(type='InterCLR', algorithm=...\)"),
    'no branch': ({'inter_image': GONE}, 'needs inter_image'),
    'no head': ({'head': GONE}, 'MoCo needs head'),
    'a whole number in quotes': (
        {'inter_image.num_clusters': '6'},
        rf"num_clusters='6'.*a whole number.*Write {BRANCH}num_clusters=6\)"),
    'a fraction for a whole number': (
        {'inter_image.num_clusters': 6.5}, 'num_clusters=6.5.*whole number'),
    'a power of ten for a whole number': (
        {'inter_image.sampler.num_negatives': 1e1}, r'num_negatives=10\)'),
    'a number in quotes': (
        {'inter_image.bank': dict(momentum='0.5')}, r'momentum=0\.5\)'),
    'a number for a part': (
        {'inter_image.bank': 0.5}, r'bank=0\.5 .*dict\(\.\.\.\)'),
    'a version in the name': (
        {'algorithm': 'MoCoV2'}, r"Did you mean 'MoCo'\?.*algorithm='MoCo'"),
    'another spelling': ({'algorithm': 'mocov3'}, "mean 'MoCoV3'"),
    'an algorithm that is not there': (
        {'algorithm': 'Foo'}, 'knows here BYOL, BarlowTwins, DenseCL, MoCo,'),
    "another algorithm's settings": (
        {'algorithm': 'SimCLR'},
        'SimCLR has no setting.*queue_len.*Allowed: backbone, neck, head'),
}
HOOKS = {
    'a key of the hook': (
        [dict(BANK_HOOK, warmup=1)],
        r"Write dict\(type='MemoryBankHook', warmup_epochs=...\)"),
    'a number in quotes for the hook': (
        [dict(BANK_HOOK, batch_size='256')], r'batch_size=256\)'),
    'a fraction for the hook': (
        [dict(BANK_HOOK, warmup_epochs=0.5)], 'a whole number'),
    'a key where there is none': (
        [BANK_HOOK, dict(type='ExactResumeHook', interval=1)],
        "no setting 'interval'.*Allowed: none"),
    'a key of an alarm': (
        [BANK_HOOK, dict(type='AlarmHook', max_largst=0.1)],
        "mean 'max_largest'"),
}


def changed(config, changes):
    for name, value in changes.items():
        *path, last = name.split('.')
        at = config.model
        for step in path:
            at = at[step]
        if value is GONE:
            at.pop(last)
        else:
            at[last] = value


def runner_from_file(config, folder):
    """The way a user goes: a file, read by mmengine, to its Runner."""
    config.dump(str(folder / 'mine.py'))
    return runner_of(Config.fromfile(folder / 'mine.py'))


@pytest.mark.parametrize('name', MODEL)
def test_a_mistake_in_the_model(name, scope, tmp_path):
    """Without it a slip ends in Python's words, or in none at all."""
    changes, said = MODEL[name]
    config = small_config(scope, tmp_path)
    changed(config, changes)
    with pytest.raises(ValueError, match=said):
        runner_from_file(config, tmp_path)


@pytest.mark.parametrize('name', HOOKS)
def test_a_mistake_in_a_hook(name, scope, tmp_path):
    """The same for hooks, which mmengine builds."""
    hooks, said = HOOKS[name]
    config = small_config(scope, tmp_path)
    config.custom_hooks = hooks
    with pytest.raises(ValueError, match=said):
        runner_from_file(config, tmp_path)


def test_the_other_library_s_preprocessor(tmp_path):
    """Both libraries have a class of this name; one would fail in words of
    Python's, on a line of its own."""
    config = small_config(INSTALLED[0], tmp_path)
    wrong = dict(mmselfsup='to_rgb', mmpretrain='mean_of_rgb')[INSTALLED[0]]
    config.model.data_preprocessor[wrong] = True
    with pytest.raises(
            ValueError,
            match=r'SelfSupDataPreprocessor has no setting.*'
            r'model=dict\(data_preprocessor=dict\('):
        runner_from_file(config, tmp_path)


@pytest.mark.parametrize('changes, said', [
    ({'model.queue_len': 100}, r'Write model=dict\(queue_len=96\)'),
    ({'train_dataloader.drop_last': False,
      'train_dataloader.dataset.indices': 90}, r'dict\(drop_last=True\)'),
])
def test_a_queue_that_does_not_fit(changes, said, scope, tmp_path):
    """The stock assertion has no words, and may come at an epoch's end."""
    config = small_config(scope, tmp_path)
    config.merge_from_dict(changes)
    runner = runner_from_file(config, tmp_path)
    with pytest.raises(ValueError, match=said):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('one_scope', one_of_them())
def test_what_is_rarely_meant_is_warned_of(one_scope, tmp_path, caplog):
    """A queue of more than all images, and MoCo's habit for the bank, whose
    momentum means the opposite: both would train, and none would know."""
    config = small_config(
        one_scope, tmp_path, model__queue_len=1024, train_cfg__max_epochs=1)
    config.model.inter_image.bank = dict(momentum=0.999)
    runner = runner_from_file(config, tmp_path)
    runner.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        runner.train()
    assert 'queue_len=1024 is more than the 96 images' in caplog.text
    assert 'bank=dict(momentum=0.001)' in caplog.text


@pytest.mark.parametrize('one_scope', one_of_them())
def test_resuming_what_has_no_bank(one_scope, tmp_path, caplog):
    """A checkpoint of the stock algorithm has none: a new one is made, which
    nobody would notice."""
    stock = small_config(one_scope, tmp_path / 'stock', 'moco')
    runner_of(stock).train()
    config = small_config(one_scope, tmp_path / 'ours', epochs=2)
    config.load_from = str(tmp_path / 'stock/epoch_1.pth')
    config.resume = True
    # Its own checkpoint's random states are of no interest here.
    config.custom_hooks = [BANK_HOOK]
    runner = runner_from_file(config, tmp_path)
    runner.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        runner.train()
    assert 'has no memory bank' in caplog.text
    assert runner.epoch == 2
    # Nothing is said where there was nothing to resume.
    caplog.clear()
    fresh = small_config(one_scope, tmp_path / 'fresh')
    fresh.resume = True
    runner = runner_from_file(fresh, tmp_path)
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert 'has no memory bank' not in caplog.text


# Not mistakes.


@MODELS.register_module()
class WithMore(PairSampler):

    def __init__(self, *, more, **others):
        others.pop('extra', None)
        super().__init__(**others)
        self.more = more


def test_a_class_of_ones_own_may_have_more():
    """Without it a registered class of a user's could not be configured."""
    sampler = MODELS.build(
        dict(type='WithMore', more='x', extra=1, num_negatives=3))
    assert sampler.more == 'x' and sampler.strategy == 'semi-hard'
    # What it hands on is checked.
    with pytest.raises(ValueError, match="'num_negatives'"):
        MODELS.build(dict(type='WithMore', more='x', num_negativs=3))


def test_numbers_of_numpy_and_torch_are_numbers():
    """Without it a computed setting could be refused."""
    import numpy as np
    labels = OnlineKMeans(num_clusters=np.int64(4), min_cluster_size=None)
    assert labels.num_clusters == 4
    sampler = PairSampler(pool_fraction=np.float32(0.5))
    assert sampler.pool_fraction == 0.5
    assert PairSampler(pool_fraction=1).pool_fraction == 1


@pytest.mark.parametrize('written, meant', [
    ('MoCoV2', 'MoCo'), ('moco_v2', 'MoCo'), ('SIMCLR', 'SimCLR'),
    ('MoCov3', 'MoCoV3'), ('Barlow', 'BarlowTwins'), ('Foo', None),
])
def test_the_nearest_name(written, meant):
    """Without it MoCo v2 would be taken for MoCo v3."""
    known = ['BarlowTwins', 'MoCo', 'MoCoV3', 'SimCLR']
    assert nearest(written, known) == meant


NEW_STYLE = """
from mmengine.config import read_base

with read_base():
    from .base import *

from {library}.models import MoCo

from interclr_plugin.algorithms import InterCLR
from interclr_plugin.hooks import MemoryBankHook

model.update(
    type=InterCLR,
    algorithm=MoCo,
    inter_image=dict(num_clusters=6, sampler=dict(num_negatives=8)))
custom_hooks = [dict(type=MemoryBankHook)]
"""


def test_a_new_style_configuration(scope, tmp_path):
    """Classes in place of names, and `read_base`: without it mmengine's newer
    kind of configuration could stop working, and the file that the run writes
    could be one that cannot be read."""
    base = small_config(scope, tmp_path / 'run', 'moco')
    base.dump(str(tmp_path / 'base.py'))
    (tmp_path / 'mine.py').write_text(NEW_STYLE.format(library=scope))
    runner = runner_of(Config.fromfile(tmp_path / 'mine.py'))
    runner.train()
    assert runner.model.inter_image.bank.status == 'clustered'
    written = Config.fromfile(str(tmp_path / 'run/mine.py'))
    model = MODELS.build(written.model)
    state = torch.load(tmp_path / 'run/epoch_1.pth')['state_dict']
    assert set(model.state_dict()) == set(state)

"""What a run takes from a checkpoint, whoever loads it."""
import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import FlexibleRunner
from small_run import NUM_IMAGES, runner_of, small_config

from interclr_plugin.datasets.fingerprint import KEY, fingerprint

STEPS = 6


@pytest.fixture
def scope(one_scope):
    return one_scope


class AtStart(Hook):
    """Keep the model's state ahead of the first step."""
    priority = 'VERY_LOW'

    def __init__(self):
        self.state = None

    def before_train_iter(self, runner, *args, **kwargs):
        if self.state is None:
            self.state = copy.deepcopy(runner.model.state_dict())


def train(config, build=runner_of):
    runner, start = build(config), AtStart()
    runner.register_hook(start, priority='VERY_LOW')
    runner.train()
    return runner, start.state


def flexible(config):
    flexible.count += 1
    config = copy.deepcopy(config)
    config.experiment_name = f'flexible_{flexible.count}'
    return FlexibleRunner.from_cfg(config)


flexible.count = 0


def same_bank(first, second):
    names = [name for name in first if name.startswith('inter_image.')]
    # A sampler may have axes beside the bank.
    assert sum('.bank.' in name for name in names) == 6
    for name in names:
        assert torch.equal(first[name], second[name]), name


def log(folder):
    return '\n'.join(p.read_text() for p in sorted(folder.glob('*/*.log')))


def test_the_own_neck_survives_load_from(scope, tmp_path):
    """Without it a run from a checkpoint's weights starts with a neck whose
    batch-norm statistics are those of no image: 0.000 in place of 0.365."""
    config = small_config(scope, tmp_path / 'first')
    config.model.inter_image.neck = config.model.neck
    config.model.neck.norm_cfg = dict(type='BN1d')
    config.model.inter_image.neck.type = 'NonLinearNeck'
    config.model.inter_image.neck.norm_cfg = dict(type='BN1d')
    runner, _ = train(config)
    state = runner.model.state_dict()
    names = [name for name in state if name.startswith('inter_neck.')]
    assert any('running_mean' in name for name in names)
    config.work_dir = str(tmp_path / 'second')
    config.load_from = str(tmp_path / 'first' / 'epoch_1.pth')
    _, start = train(config)
    for name in names:
        assert torch.equal(start[name], state[name]), name
    assert start['inter_image.bank.step'] == 0


def test_a_flexible_runner_resumes(scope, tmp_path):
    """Without it FlexibleRunner, which loads ahead of ``before_run``, meets
    a bank of no size: (96, 8) in the checkpoint and (0, 0) here."""
    config = small_config(scope, tmp_path)
    config.optim_wrapper.pop('type', None)
    first, _ = train(config, flexible)
    before = copy.deepcopy(first.model.state_dict())
    config.train_cfg.max_epochs = 2
    config.resume = True
    runner, start = train(config, flexible)
    same_bank(before, start)
    assert runner.epoch == 2
    assert log(tmp_path).count('Filling the memory bank') == 1


def test_a_stock_checkpoint_resumed_with_its_own_bank(scope, tmp_path):
    """Without it a bank that the checkpoint lacks is taken for one that the
    first epoch filled: 96 rows of zeros are clustered after one step."""
    config = small_config(scope, tmp_path, 'moco')
    runner_of(config).train()
    config = small_config(scope, tmp_path, epochs=3)
    config.custom_hooks = [
        dict(type='MemoryBankHook', first_clustering='bank')
    ]
    config.resume = True
    seen = []

    class Watch(Hook):
        priority = 'VERY_LOW'

        def after_train_iter(self, runner, batch_idx, data_batch, outputs):
            seen.append((runner.iter, runner.model.inter_image.bank.status,
                         'inter_loss' in outputs))

    runner = runner_of(config)
    runner.register_hook(Watch(), priority='VERY_LOW')
    runner.train()
    assert seen == [(step, 'filled' if step < 11 else 'clustered', step > 11)
                    for step in range(6, 18)]
    norms = runner.model.inter_image.bank.features.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(NUM_IMAGES))


def test_a_bank_in_its_first_epoch_resumes(scope, tmp_path):
    """Without it the keys of a first epoch, stopped in the middle, would be
    replaced by random rows, or clustered too early."""
    config = small_config(scope, tmp_path, epochs=2)
    config.custom_hooks = [
        dict(type='MemoryBankHook', first_clustering='bank')
    ]
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4)
    config.param_scheduler = None
    config.default_hooks.checkpoint.update(by_epoch=False, interval=4)
    first, _ = train(config)
    assert first.model.inter_image.bank.status == 'filled'
    before = copy.deepcopy(first.model.state_dict())
    config.train_cfg.max_iters = 7
    config.resume = True
    runner, start = train(config)
    same_bank(before, start)
    assert runner.model.inter_image.bank.status == 'clustered'
    assert log(tmp_path).count('First clustering') == 1


def test_a_model_from_a_checkpoint_alone(tmp_path):
    """Without it ``get_model`` gives a branch that calls itself ready and
    has an empty bank."""
    from mmpretrain import get_model
    config = small_config('mmpretrain', tmp_path)
    runner, _ = train(config)
    init_default_scope('mmpretrain')
    model = get_model(config, pretrained=str(tmp_path / 'epoch_1.pth'))
    same_bank(runner.model.state_dict(), model.state_dict())
    assert model.inter_image.bank.status == 'clustered'
    assert model.inter_image.sampler.num_negatives == 16


def test_another_number_of_clusters_is_refused(scope, tmp_path):
    """Without it a part of the state would be restored and a part made."""
    config = small_config(scope, tmp_path)
    train(config)
    config.resume = True
    config.train_cfg.max_epochs = 2
    config.model.inter_image.num_clusters = 5
    with pytest.raises(ValueError, match=r'\(6, 8\) in the checkpoint and '
                       r'\(5, 8\) here.*load_from'):
        train(config)


@pytest.mark.parametrize('options', [
    dict(momentum=0.5),
    dict(momentum=0.5, update_buffers=True),
    dict(momentum=0.5, begin_epoch=1)
])
def test_averaged_models_share_the_live_bank(scope, tmp_path, options):
    """Without it ``update_buffers=True`` would average the rows of the copy,
    which are then saved as the model's, and a run would resume from them."""
    config = small_config(scope, tmp_path, epochs=2)
    # Whose axes are a state, too.
    config.model.inter_image.sampler = dict(type='RelationSampler')
    config.custom_hooks.append(dict(type='EMAHook', **options))
    runner, _ = train(config)
    live = runner.model.state_dict()
    assert live['inter_image.sampler.whitening.axes'].any()
    saved = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    same_bank(live, saved['state_dict'])
    same_bank(live, {
        name[len('module.'):]: value
        for name, value in saved['ema_state_dict'].items()
    })
    config.resume, config.train_cfg.max_epochs = True, 3
    _, start = train(config)
    same_bank(live, start)


def test_images_that_were_accepted_stay_accepted(scope, tmp_path):
    """Without it, under EMAHook, the fingerprint of the first data set comes
    back from the averaged model, and the next resume is refused."""
    config = small_config(scope, tmp_path)
    config.custom_hooks.append(dict(type='EMAHook', momentum=0.5))
    train(config)
    config.train_dataloader.dataset.indices = [*range(1, NUM_IMAGES), 0]
    config.resume, config.train_cfg.max_epochs = True, 2
    config.custom_hooks[0].accept_other_images = True
    runner, _ = train(config)
    # The list alone would be accepted again; reports ask for the images.
    saved = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['meta']
    assert saved[KEY] == fingerprint(runner.train_dataloader.dataset)
    config.custom_hooks[0].accept_other_images = False
    config.train_cfg.max_epochs = 3
    runner, _ = train(config)
    assert runner.epoch == 3


def test_images_are_not_read_where_nobody_asks(scope, tmp_path, monkeypatch):
    """Without it the list of a data set whose entries are slow to read, or
    change from run to run, could not be left alone."""
    from interclr_plugin.hooks import memory_bank_hook

    def read(dataset):
        raise AssertionError('the images were read')

    monkeypatch.setattr(memory_bank_hook, 'fingerprint', read)
    config = small_config(scope, tmp_path)
    config.custom_hooks[0].check_images = False
    train(config)
    config.resume, config.train_cfg.max_epochs = True, 2
    config.train_dataloader.dataset.indices = [*range(1, NUM_IMAGES), 0]
    train(config)


def entries(*values, prefix=''):
    from mmengine.dataset import BaseDataset

    class Entries(BaseDataset):

        def load_data_list(self):
            return [dict(value) for value in values]

    return Entries(data_prefix=dict(img_path=prefix))


def test_the_order_of_files_counts():
    """Without it two files that changed places would keep the other's row."""
    a, b = dict(img_path='a.png'), dict(img_path='b.png')
    prints = {
        fingerprint(entries(a, b)), fingerprint(entries(b, a)),
        fingerprint(entries(a)), fingerprint(entries(a, a))
    }
    assert len(prints) == 4
    # A name cannot run over into the next.
    assert fingerprint(entries(dict(img_path='ab'), dict(img_path='c'))) != \
        fingerprint(entries(dict(img_path='a'), dict(img_path='bc')))


def test_entries_with_neither_file_nor_pixels():
    """Without it a data set whose entries name their images in another way
    ends with KeyError: 'img'."""
    a, b = (dict(video='x.mp4', frame=i, box=torch.ones(2) * i)
            for i in range(2))
    assert fingerprint(entries(a, b)) == fingerprint(entries(a, b))
    assert fingerprint(entries(a, b)) != fingerprint(entries(b, a))
    moved = dict(b, box=torch.ones(2) * 3)
    assert fingerprint(entries(a, b)) != fingerprint(entries(a, moved))

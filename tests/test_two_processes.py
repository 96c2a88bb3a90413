"""Real runs over two gloo processes: what is replicated stays equal."""
import gloo
import pytest
import torch
import torch.distributed as torch_dist
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS
from torch.utils.data import Sampler

STEPS = 20
pytestmark = pytest.mark.slow


@pytest.fixture
def scope(one_scope):
    return one_scope


@DATA_SAMPLERS.register_module()
class Repeating(Sampler):
    """Give each process images that repeat within it and on the other."""

    def __init__(self, dataset, seed=None, round_up=True):
        self.size = len(dataset)

    def __iter__(self):
        generator = torch.Generator().manual_seed(torch_dist.get_rank())
        chosen = torch.randint(
            self.size // 2, (len(self), ), generator=generator)
        return iter(chosen.tolist())

    def __len__(self):
        return 16 * STEPS

    def set_epoch(self, epoch):
        pass


# Without repairs the test would not see whether they agree.
ONLINE = dict(type='OnlineKMeans', min_cluster_size=8, centroid_interval=3)


def run(rank, scope, folder, hooks, sampler, labels, changes):
    from small_run import ALGORITHMS, runner_of, small, small_config
    changes = dict(changes)
    algorithm = changes.pop('algorithm', None)
    config = small_config(scope, folder)
    if algorithm:
        config = small(ALGORITHMS[f'{scope}-interclr-{algorithm}'], folder)
        # torch has SyncBN for GPUs alone.
        config.model.neck.norm_cfg = dict(type='BN1d')
        config.model.head.predictor.norm_cfg = dict(type='BN1d')
    gloo.train_together(config)
    config.train_dataloader.sampler = sampler
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=STEPS)
    config.param_scheduler = None
    config.default_hooks.checkpoint = None
    config.custom_hooks.extend(hooks)
    config.model.inter_image.labels = labels
    config.merge_from_dict(changes)
    runner = runner_of(config)
    try:
        runner.train()
    except ValueError as error:
        with open(f'{folder}/rank{rank}.txt', 'w') as file:
            file.write(str(error))
    torch.save(runner.model.module.state_dict(), f'{folder}/rank{rank}.pth')


def run_two(scope,
            folder,
            hooks=(),
            sampler=None,
            labels=ONLINE,
            changes=None):
    sampler = sampler or dict(type='Repeating')
    gloo.spawn(run, 2, scope, str(folder), list(hooks), sampler, labels,
               changes or {})
    return [
        torch.load(folder / f'rank{rank}.pth', weights_only=True)
        for rank in range(2)
    ]


@HOOKS.register_module()
class LoseTheLoss(Hook):
    """Make a loss of the second process NaN in the fourth step."""
    priority = 'VERY_HIGH'

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        if runner.iter == 3 and torch_dist.get_rank() == 1:
            outputs['intra_loss'] = outputs['intra_loss'] * float('nan')


def test_a_lost_loss_on_one_process_ends_both(scope, tmp_path):
    """Without it the others wait for it until their time is over."""
    run_two(scope, tmp_path, [dict(type='LoseTheLoss')])
    for rank in range(2):
        text = (tmp_path / f'rank{rank}.txt').read_text()
        assert text.startswith('Step 4:') and 'is NaN or infinite' in text


def test_a_last_batch_of_unequal_size(scope, tmp_path):
    """Without it a run that trains with the stock algorithm fails with the
    collective's words: 95 images on two processes, 16 and 15 at the end."""
    first, second = run_two(
        scope,
        tmp_path,
        sampler=dict(type='DefaultSampler', shuffle=True, round_up=False),
        labels=dict(type='OnlineKMeans'),
        changes={
            'train_dataloader.dataset.indices': 95,
            'train_dataloader.drop_last': False,
            'algorithm': 'simsiam'  # MoCo's queue takes equal ones alone
        })
    assert not list(tmp_path.glob('*.txt'))
    for name, value in first.items():
        if name.startswith('inter_image.'):
            assert torch.equal(value, second[name]), name


def test_passes_are_counted_for_all_processes(scope, tmp_path):
    """Without it an InfiniteSampler, as long as the data set on each of two
    processes, would make every epoch two passes long; and offline labels
    would never be made anew where a run counts steps."""
    run_two(
        scope,
        tmp_path,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        labels=dict(type='OfflineKMeans', interval=2))
    path, = tmp_path.glob('*/*.log')
    # At the start, and after steps 6, 12 and 18 of 20: 3 steps a pass.
    assert path.read_text().count('Filling the memory bank') == 4


# All that communicate; the last step is one at which they do.
MONITORS = [
    dict(type=name, interval=5) for name in (
        'ClusterMonitor', 'RepresentationMonitor', 'PairMonitor', 'AlarmHook')
] + [dict(type='LabelMonitor'),
     dict(type='OnlineKNNHook', k=5)]


@pytest.mark.parametrize(
    'hooks', [(), (dict(type='SyncBuffersHook'), *MONITORS)],
    ids=['plain', 'SyncBuffersHook and monitors'])
def test_processes_agree(scope, tmp_path, hooks):
    """Without it copies of the bank could drift apart, in silence.

    docs/architecture.md, traps 9 to 12: images repeat within a batch and
    across processes, clusters are repaired, and SyncBuffersHook averages all
    buffers, which must not change what is equal; nor must the monitors, or
    one process could wait in them for the other.
    """
    first, second = run_two(scope, tmp_path, hooks)
    compared = 0
    for name, value in first.items():
        # Batch statistics are each process's own, unless they are averaged.
        if 'running_' in name and not hooks:
            continue
        if name.startswith('inter_image.bank.seed'):
            assert value < 1 << 24
        assert torch.equal(value, second[name]), name
        compared += 1
    assert compared > 50
    assert first['inter_image.bank.step'] == STEPS
    features = first['inter_image.bank.features']
    torch.testing.assert_close(features.norm(dim=1), torch.ones(96))
    sizes = torch.bincount(first['inter_image.bank.labels'], minlength=6)
    assert sizes.min() >= 1


def test_a_full_pass_reaches_every_row(scope, tmp_path):
    """Without it a process could write only its own images' rows.

    After 20 batches of 16 images on each of two processes, that is more than
    six passes over 96 images, no row holds what the fill put there.
    """
    state, _ = run_two(
        scope, tmp_path, sampler=dict(type='InfiniteSampler', shuffle=True))
    from small_run import runner_of, small_config
    config = small_config(scope, tmp_path / 'start')
    config.optim_wrapper.optimizer.lr = 0.
    config.train_cfg.max_epochs = 0
    before = runner_of(config)
    before.train()
    rows = before.model.inter_image.bank.features
    same = (rows == state['inter_image.bank.features']).all(1)
    assert not same.any()


def test_offline_labels_agree(scope, tmp_path):
    """Without it the processes could cluster different features anew, each
    having extracted a part of them."""
    first, second = run_two(
        scope,
        tmp_path,
        sampler=dict(type='DefaultSampler', shuffle=True),
        labels=dict(type='OfflineKMeans', interval=1),
        changes={
            'train_cfg': dict(
                _delete_=True, type='EpochBasedTrainLoop', max_epochs=3)
        })
    assert first['inter_image.bank.step'] == 9
    for name, value in first.items():
        if name.startswith('inter_image.'):
            assert torch.equal(value, second[name]), name
    labels = first['inter_image.bank.labels']
    assert torch.bincount(labels, minlength=6).min() >= 1
    # At the start, and after the first two of three epochs.
    path, = tmp_path.glob('*/*.log')
    assert path.read_text().count('Filling the memory bank') == 3

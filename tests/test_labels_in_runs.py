"""First clustering and cadence of the labels in real runs."""
import pytest
import torch
from mmengine.hooks import Hook
from small_run import NUM_IMAGES, runner_of, small_config

STEPS_PER_EPOCH = 6


class Labels(Hook):
    """Keep the labels, the bank and what was logged after each step."""
    priority = 'VERY_LOW'

    def __init__(self):
        self.labels, self.banks, self.outputs = [], [], []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        branch = runner.model.inter_image
        self.labels.append(branch.bank.labels.clone())
        self.banks.append(branch.bank.features.clone())
        self.outputs.append(dict(outputs))


def train(config):
    labels = Labels()
    runner = runner_of(config)
    runner.register_hook(labels, priority='VERY_LOW')
    runner.train()
    return labels, runner


def log(folder):
    path, = folder.glob('*/*.log')
    return path.read_text()


def test_offline_labels_move_between_epochs_alone(one_scope, tmp_path):
    """Without it OfflineKMeans could drift within an epoch, or never move."""
    config = small_config(one_scope, tmp_path, epochs=4)
    config.model.inter_image.labels = dict(type='OfflineKMeans', interval=2)
    seen, runner = train(config)
    for step in range(1, 4 * STEPS_PER_EPOCH):
        moved = not torch.equal(seen.labels[step - 1], seen.labels[step])
        # Clustered anew after the second epoch, not after the last.
        assert moved == (step == 2 * STEPS_PER_EPOCH), step
        assert not torch.equal(seen.banks[step - 1], seen.banks[step])
    assert all(step['change_ratio'] == 0 for step in seen.outputs)
    # The last epoch's end comes after what the hook has seen.
    assert torch.equal(seen.labels[-1], runner.model.inter_image.bank.labels)
    sizes = runner.model.inter_image.bank.sizes()
    assert sizes.min() >= 1 and sizes.sum() == NUM_IMAGES


def test_offline_labels_move_where_a_run_counts_steps(one_scope, tmp_path):
    """Without it OfflineKMeans would never cluster again in such a run, and
    a warning would say so of every interval."""
    config = small_config(one_scope, tmp_path)
    config.model.inter_image.labels = dict(type='OfflineKMeans', interval=1)
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=14)
    config.param_scheduler = None
    config.default_hooks.checkpoint.update(by_epoch=False, interval=14)
    seen, _ = train(config)
    moved = [
        step for step in range(1, 14)
        if not torch.equal(seen.labels[step - 1], seen.labels[step])
    ]
    assert moved == [5, 11]
    assert 'between two clusterings' not in log(tmp_path)


def test_an_interval_beyond_the_run_is_told(one_scope, tmp_path):
    """Without it labels would silently stay those of the first clustering."""
    config = small_config(one_scope, tmp_path)
    config.model.inter_image.labels = dict(type='OfflineKMeans', interval=9)
    train(config)
    assert 'interval=9 epochs between two clusterings' in log(tmp_path)


def test_the_bank_s_own_first_clustering(scope, tmp_path):
    """Without it the first epoch could use clusters of nothing.

    The first epoch has the stock loss alone and fills the bank with its keys;
    then the bank is clustered as it is, and the pairs begin.
    """
    config = small_config(scope, tmp_path, epochs=2)
    config.custom_hooks[0].first_clustering = 'bank'
    seen, runner = train(config)
    for number, step in enumerate(seen.outputs):
        assert ('inter_loss' in step) == (number >= STEPS_PER_EPOCH)
    branch = runner.model.inter_image
    assert branch.bank.status == 'clustered'
    after = seen.labels[STEPS_PER_EPOCH - 1]
    assert len(after.unique()) == 6
    # The nearest mean of its cluster for almost every image: a clustering of
    # exactly these rows, not of what an extraction would give.
    rows = seen.banks[STEPS_PER_EPOCH - 1]
    means = torch.stack([rows[after == c].mean(0) for c in range(6)])
    nearest = torch.cdist(rows, means).argmin(1)
    assert (nearest == after).float().mean() > 0.95


@pytest.mark.parametrize('options', [
    dict(first_clustering='sometimes'),
    dict(warmup_epochs=-1),
    dict(batch_size=0),
])
def test_bad_hook_settings_are_named(scope, tmp_path, options):
    """Without it a typing error in the hook would train another method."""
    config = small_config(scope, tmp_path)
    config.custom_hooks[0].update(options)
    (name, value), = options.items()
    with pytest.raises(ValueError, match=f'{name}={value!r}'):
        runner_of(config).train()


def test_the_hook_needs_inter_clr(scope, tmp_path):
    """Without it the hook on a stock model would fail without a reason."""
    config = small_config(scope, tmp_path, 'moco')
    config.custom_hooks = [dict(type='MemoryBankHook')]
    with pytest.raises(ValueError, match="type='InterCLR'"):
        runner_of(config).train()

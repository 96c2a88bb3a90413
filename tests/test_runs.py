"""Real runs: Runner from the delivered configuration files."""
import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from small_run import (
    BATCH,
    NUM_IMAGES,
    build_model,
    fake_batch,
    runner_of,
    small_config,
)


class Recorder(Hook):
    """Keep what each step logged and a copy of every gradient."""

    # Before everything that acts on what it records.
    priority = 'VERY_HIGH'

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.steps.append(dict(outputs))


def train(config, *hooks):
    runner = runner_of(config)
    for hook in hooks:
        runner.register_hook(hook, priority=hook.priority)
    runner.train()
    return runner


def parameters(runner):
    return {
        name: value.clone()
        for name, value in runner.model.state_dict().items()
        if not name.startswith('inter_image.')
    }


def test_a_run_trains_and_logs(scope, tmp_path):
    """Without it nothing shows that the delivered configuration trains."""
    recorder = Recorder()
    runner = train(small_config(scope, tmp_path, epochs=2), recorder)
    branch = runner.model.inter_image
    assert branch.bank.status == 'clustered' and branch.bank.random.step == 12
    for step in recorder.steps:
        assert set(step) == {
            'loss', 'intra_loss', 'inter_loss', 'change_ratio'
        }
        total = step['intra_loss'] + step['inter_loss']
        # mmengine sums keys with "loss" in them: nothing else may be in it.
        assert torch.equal(step['loss'], total)
        assert step['inter_loss'] > 0
    scalars = runner.message_hub.log_scalars
    assert 'train/change_ratio' in scalars


def test_inter_weight_0_is_the_stock_algorithm(scope, tmp_path):
    """Without it the branch could disturb the stock loss, weights or RNG.

    Both runs start from the same seed and go through fill, first clustering
    and every update; all weights, the queue and the losses agree bit for bit.
    """
    stock = Recorder()
    ours = Recorder()
    runner = train(
        small_config(scope, tmp_path / 'stock', 'moco', epochs=2), stock)
    expected = parameters(runner)
    runner = train(
        small_config(
            scope, tmp_path / 'ours', epochs=2, model__inter_weight=0), ours)
    found = parameters(runner)
    assert len(stock.steps) == 12
    for a, b in zip(stock.steps, ours.steps):
        assert torch.equal(a['loss'], b['loss'])
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    # Equal although the bank lived all the while.
    assert runner.model.inter_image.bank.random.step == 12


def test_the_gradient_is_the_weighted_sum(scope, tmp_path):
    """Without it the two losses could be weighted otherwise than logged."""
    config = small_config(scope, tmp_path)
    gradients = {}
    for weights in ((1., 0.), (0., 1.), (0.75, 0.25)):
        config.model.intra_weight, config.model.inter_weight = weights
        torch.manual_seed(0)
        model = build_model(config, scope)
        model.inter_image.allocate(NUM_IMAGES, seed=0)
        model.inter_image.fill(torch.randn(NUM_IMAGES, 8))
        model.inter_image.first_clustering()
        inputs, samples = fake_batch(scope)
        torch.manual_seed(1)
        losses = model.loss(inputs, samples)
        total, _ = model.parse_losses(losses)
        total.backward()
        gradients[weights] = model.neck.mlp[0].weight.grad.clone()
    expected = (0.75 * gradients[1., 0.] + 0.25 * gradients[0., 1.])
    torch.testing.assert_close(gradients[0.75, 0.25], expected)
    assert gradients[0., 1.].abs().sum() > 0


@pytest.mark.parametrize('status', ['clustered', 'warming up', 'filled'])
def test_the_stock_losses_have_their_weight(scope, tmp_path, status):
    """Without it the stock losses could be added as they are, or be weighted
    while they are alone: in warm-up, and before there are clusters."""
    found = {}
    for weight in (1., 0.5):
        config = small_config(scope, tmp_path)
        config.model.intra_weight = weight
        torch.manual_seed(0)
        model = build_model(config, scope)
        model.inter_image.allocate(NUM_IMAGES, seed=0)
        model.inter_image.fill(torch.randn(NUM_IMAGES, 8))
        if status != 'filled':
            model.inter_image.first_clustering()
        model.warming_up = status == 'warming up'
        torch.manual_seed(1)
        found[weight] = model.loss(*fake_batch(scope))
    alone = status != 'clustered'
    for losses in found.values():
        assert ('inter_loss' in losses) != alone
    expected = found[1.]['intra_loss'] * (1. if alone else 0.5)
    assert torch.equal(found[0.5]['intra_loss'], expected)


def keys_are_in_the_bank(scope, tmp_path, roll):
    torch.manual_seed(0)
    model = build_model(small_config(scope, tmp_path), scope)
    model.inter_image.allocate(NUM_IMAGES, seed=0)
    model.inter_image.fill(torch.randn(NUM_IMAGES, 8))
    model.inter_image.first_clustering()
    index = torch.randperm(NUM_IMAGES)[:BATCH]
    views, samples = fake_batch(scope, index)
    model.train()
    model.loss(views, samples)
    # The momentum encoder moved before it was used and not since; in train
    # mode it normalises with the batch alone, in whatever order.
    with torch.no_grad():
        keys = F.normalize(model.encoder_k(views[1])[0], dim=1)
    rows = model.inter_image.bank.features[index]
    return torch.allclose(rows, keys.roll(roll, 0), atol=1e-5)


def test_each_row_holds_its_image_s_key(scope, tmp_path):
    """Without it rows could silently belong to other images.

    MoCo shuffles the batch even on one process (docs/architecture.md, trap 1).
    The rolled control shows that the check can fail.
    """
    assert keys_are_in_the_bank(scope, tmp_path, roll=0)
    assert not keys_are_in_the_bank(scope, tmp_path, roll=1)


def test_momentum_stays_the_stock_one(scope, tmp_path):
    """Without it a default of ours could mean the opposite in one library.

    Trap 3: the libraries' `momentum` have opposite meanings.
    """
    config = small_config(scope, tmp_path)
    del config.model['momentum']
    stock = copy.deepcopy(config)
    stock.model.type = stock.model.pop('algorithm')
    del stock.model['inter_image']
    ours = build_model(config, scope).encoder_k.momentum
    assert ours == build_model(stock, scope).encoder_k.momentum


def test_resume_restores_and_does_not_refill(scope, tmp_path, monkeypatch):
    """Without it bank, labels or counters could be lost or filled anew."""
    config = small_config(scope, tmp_path, epochs=2)
    whole = train(config).model.inter_image.state_dict()
    config.train_cfg.max_epochs = 3
    config.resume = True

    from interclr_plugin.hooks import bank_filling

    def refill(*args):
        raise AssertionError('the bank was filled again')

    monkeypatch.setattr(bank_filling, 'fill', refill)
    restored = {}

    class AtStart(Hook):

        def before_train_iter(self, runner, *args, **kwargs):
            if not restored:
                restored.update(
                    copy.deepcopy(runner.model.inter_image.state_dict()))

    hook = AtStart()
    hook.priority = 'VERY_LOW'
    runner = train(config, hook)
    assert runner.epoch == 3
    for name, value in whole.items():
        assert torch.equal(value, restored[name]), name
    assert runner.model.inter_image.bank.random.step == 18


def test_resume_refuses_another_data_set(scope, tmp_path):
    """Without it a bank of the wrong size would be filled anew in silence."""
    config = small_config(scope, tmp_path)
    train(config)
    config.resume = True
    config.train_cfg.max_epochs = 2
    config.train_dataloader.dataset.indices = NUM_IMAGES - 16
    with pytest.raises(ValueError, match=r'Cannot resume.*96.*80'):
        train(config)


def test_load_from_starts_a_bank_of_its_own(scope, tmp_path):
    """Without it a run on other images would keep the first run's bank."""
    config = small_config(scope, tmp_path / 'first')
    first = train(config)
    weight = first.model.backbone.conv1.weight.clone()
    config = small_config(scope, tmp_path / 'second')
    config.load_from = str(tmp_path / 'first' / 'epoch_1.pth')
    config.train_dataloader.dataset.indices = NUM_IMAGES - 16
    config.optim_wrapper.optimizer.lr = 0.
    config.optim_wrapper.optimizer.weight_decay = 0.
    second = train(config)
    assert torch.equal(second.model.backbone.conv1.weight, weight)
    assert second.model.inter_image.num_images == 80
    assert second.model.inter_image.bank.random.step == 5


def test_the_bank_is_filled_from_the_weights_that_train(scope, tmp_path):
    """Without it the first clustering could be one of noise (trap 8).

    `before_run` comes before weight initialisation and loading: the bank of
    a run that starts from a checkpoint must hold that checkpoint's features.
    """
    train(small_config(scope, tmp_path / 'first'))
    config = small_config(scope, tmp_path / 'second')
    config.load_from = str(tmp_path / 'first' / 'epoch_1.pth')
    seen = {}

    class AtStart(Hook):

        def before_train_iter(self, runner, *args, **kwargs):
            if seen:
                return
            model = runner.model
            seen['bank'] = model.inter_image.bank.features.clone()
            model.eval()
            images = [
                runner.train_dataloader.dataset.get_data_info(i)['img']
                for i in range(4)
            ]
            batch = torch.stack([torch.tensor(i) for i in images])
            batch = (batch.permute(0, 3, 1, 2).float() - 127.5) / 127.5
            with torch.no_grad():
                rows = model.neck(model.backbone(batch))[0]
            seen['rows'] = F.normalize(rows, dim=1)
            model.train()

    train(config, AtStart())
    torch.testing.assert_close(
        seen['bank'][:4], seen['rows'], atol=1e-5, rtol=1e-4)


@HOOKS.register_module()
class Noticed(Hook):
    """Remember in which epochs the model warmed up."""
    epochs = []

    def after_train_iter(self, runner, *args, **kwargs):
        Noticed.epochs.append((runner.epoch, runner.model.warming_up))


def test_warm_up_is_the_stock_algorithm(scope, tmp_path):
    """Without it warm-up could compute or count the inter-image loss."""
    Noticed.epochs = []
    recorder = Recorder()
    config = small_config(scope, tmp_path, epochs=2)
    config.custom_hooks[0].warmup_epochs = 1
    config.custom_hooks.append(dict(type='Noticed'))
    runner = train(config, recorder)
    assert set(Noticed.epochs) == {(0, True), (1, False)}
    assert all('inter_loss' not in step for step in recorder.steps[:6])
    assert all('inter_loss' in step for step in recorder.steps[6:])
    assert runner.model.inter_image.bank.random.step == 12


def test_without_the_hook_the_run_stops(scope, tmp_path):
    """Without it a bank without rows would give a bare index error."""
    config = small_config(scope, tmp_path)
    config.custom_hooks = []
    config.model.inter_image.num_images = NUM_IMAGES
    with pytest.raises((RuntimeError, ValueError),
                       match=r"dict\(type='MemoryBankHook'\)"):
        train(config)


def test_ema_keeps_the_bank(scope, tmp_path):
    """Without it EMAHook could meet buffers of two sizes (trap 11)."""
    config = small_config(scope, tmp_path, epochs=2)
    config.custom_hooks.append(dict(type='EMAHook', momentum=0.5))
    runner = train(config)
    checkpoint = torch.load(
        tmp_path / 'epoch_2.pth', map_location='cpu', weights_only=False)
    for state, prefix in ((checkpoint['state_dict'], ''),
                          (checkpoint['ema_state_dict'], 'module.')):
        name = 'inter_image.bank.features'
        assert torch.equal(state[prefix + name],
                           runner.model.inter_image.bank.features)
    config.resume = True
    config.train_cfg.max_epochs = 3
    assert train(config).epoch == 3


@pytest.mark.parametrize('change, message', [
    (dict(model__inter_image__num_images=95), r'num_images=95.*96'),
    (dict(model__inter_image__num_clusters=97), r'num_clusters=97.*2 to 96'),
    (dict(model__inter_image__sampler__num_negatives=25),
     r'num_negatives=25.*1 to 24'),
    (dict(model__inter_image__sampler__pool_fraction=1.5),
     r'pool_fraction=1.5.*\(0, 1\]'),
    (dict(model__inter_image__sampler__strategy='medium'),
     r"strategy='medium'.*'semi-hard', 'hard', 'random', 'semi-easy'"),
    (dict(model__algorithm='MAE'), r"algorithm='MAE'.*MoCo"),
    (dict(model__algorithm='Moco'), r"algorithm='Moco'.*MoCo"),
    (dict(model__inter_weight=-1), r'inter_weight=-1'),
    (dict(model__inter_image__labels=dict(min_cluster_size=9)),
     r'min_cluster_size=9.*0 to 8'),
    (dict(model__inter_image__feat_dim=12), r'\(96, 8\).*width 12'),
    (dict(model__inter_image__sampler__num_negatives=2.5),
     r'num_negatives=2.5.*whole number'),
    (dict(model__inter_image__bank=dict(momentum=0)), r'momentum=0'),
    (dict(model__inter_image__loss=dict(margin_type='angle')),
     r"margin_type='angle'.*'cosine', 'arc'"),
])
def test_bad_settings_are_named(scope, tmp_path, change, message):
    """Without it users meet raw index and size errors."""
    config = small_config(scope, tmp_path, **change)
    with pytest.raises(ValueError, match='(?s)' + message):
        train(config)


def test_a_neck_of_its_own_needs_a_method_that_uses_its_neck(
        scope, tmp_path, monkeypatch):
    """Without it the branch's neck would be built and never be given input."""
    from interclr_plugin.algorithms import projections
    monkeypatch.setitem(
        projections.READERS, 'MoCo',
        projections.READERS['MoCo']._replace(watch=('_dequeue_and_enqueue', )))
    config = small_config(scope, tmp_path)
    config.model.inter_image.neck = config.model.neck
    with pytest.raises(ValueError, match='inter_image=dict.neck=.*Remove'):
        build_model(config, scope)


def test_a_view_that_the_neck_never_sees_is_told(scope, tmp_path):
    """Without it the option could be ignored in silence."""
    config = small_config(scope, tmp_path)
    config.model.inter_image.neck = config.model.neck
    config.model.inter_image.key_view = 'second'
    with pytest.raises(ValueError, match="key_view='second'.*'MoCo'.*'first'"):
        build_model(config, scope)


def test_nan_stops_the_run_and_spares_the_bank(scope, tmp_path):
    """Without it NaN would spread through bank and labels."""

    class Poison(Hook):
        priority = 'VERY_HIGH'

        def before_train_iter(self, runner, batch_idx, data_batch):
            if batch_idx == 3:
                self.bank = runner.model.inter_image.bank.features.clone()
                data_batch['inputs'] = [
                    x.float().fill_(float('nan'))
                    for x in data_batch['inputs']
                ]

    poison = Poison()
    runner = runner_of(small_config(scope, tmp_path))
    runner.register_hook(poison, priority='VERY_HIGH')
    with pytest.raises(ValueError, match=r'Step 4.*NaN'):
        runner.train()
    assert torch.equal(runner.model.inter_image.bank.features, poison.bank)


def test_a_nan_loss_stops_the_run_before_it_is_saved(scope, tmp_path):
    """Without it weights that a NaN loss destroyed could become the last
    checkpoint: projections are finite until the step after."""
    config = small_config(scope, tmp_path, epochs=2)
    runner = runner_of(config)
    stock = runner.model.loss

    def loss(*args, **kwargs):
        losses = stock(*args, **kwargs)
        if runner.iter == 11:  # the last step of the second epoch
            losses['intra_loss'] = losses['intra_loss'] * float('nan')
        return losses

    runner.model.loss = loss
    with pytest.raises(ValueError, match='Step 12: .*intra_loss.* is NaN'):
        runner.train()
    assert (tmp_path / 'epoch_1.pth').exists()
    assert not (tmp_path / 'epoch_2.pth').exists()


def test_half_precision_stays_out_of_the_branch(scope, tmp_path):
    """Without it autocast would rank and compare in bfloat16 (trap 7)."""
    torch.manual_seed(0)
    model = build_model(small_config(scope, tmp_path), scope)
    model.inter_image.allocate(NUM_IMAGES, seed=0)
    model.inter_image.fill(torch.randn(NUM_IMAGES, 8))
    model.inter_image.first_clustering()
    views, samples = fake_batch(scope)
    seen = {}
    original = type(model.inter_image).forward

    def spy(self, query, key, index):
        seen['query'] = query.detach().clone()
        seen['key'] = key.clone()
        seen['index'] = index
        seen['state'] = copy.deepcopy(self)
        loss, statistics = original(self, query, key, index)
        seen['loss'] = loss.detach()
        return loss, statistics

    model.inter_image.forward = spy.__get__(model.inter_image)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        model.loss(views, samples)
    assert seen['query'].dtype == torch.bfloat16
    assert seen['loss'].dtype == torch.float32
    again, _ = original(seen['state'], seen['query'].float(),
                        seen['key'].float(), seen['index'])
    assert torch.equal(again, seen['loss'])

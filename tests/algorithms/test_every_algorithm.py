"""Every stock algorithm under InterCLR, from its delivered configuration."""
import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, init_default_scope
from small_run import (
    ALGORITHMS,
    BATCH,
    CONFIGS,
    NUM_IMAGES,
    fake_batch,
    runner_of,
    small,
)

# The libraries differ in the stock part alone, which is not varied here.
ABLATIONS = [
    pytest.param(
        path,
        id=f'{path.parts[-3]}-{path.name.split("_")[0]}',
        marks=[pytest.mark.slow] +
        [pytest.mark.matrix] * (path.parts[-3] == 'mmpretrain'))
    for path in sorted(CONFIGS.glob('mm*/ablations/*.py'))
]


def build(config, seed=0):
    init_default_scope(config.default_scope)
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(config.model))
    model.train()
    return model


def with_bank(model):
    model.inter_image.allocate(NUM_IMAGES, seed=0)
    model.inter_image.fill()
    model.inter_image.first_clustering()
    return model


@pytest.fixture(params=ALGORITHMS.values(), ids=ALGORITHMS.keys())
def config(request, tmp_path):
    """Each delivered digits configuration of InterCLR, cut down."""
    return small(request.param, tmp_path)


def expected_key(name, model, views):
    """The second view's projection, computed anew after the step."""
    with torch.no_grad():
        if name in ('MoCo', 'DenseCL'):
            return model.encoder_k(views[1])[0]
        if name == 'BYOL':
            return model.target_net(views[1])[0]
        if name == 'MoCoV3':
            return model.momentum_encoder(views[1])[0]
        if name == 'NPID':
            return model.neck(model.backbone(views[0]))[0]
        if name == 'SimCLR':  # one pass, the views taking turns
            mixed = torch.stack(views, 1).flatten(0, 1)
            return model.neck(model.backbone(mixed))[0][1::2]
        if name == 'SwAV':  # one pass, one view after the other
            output = model.neck([model.backbone(torch.cat(views))])
            # A list in mmselfsup, a tensor in mmpretrain.
            return output[0][BATCH:] if isinstance(
                output, list) else output[BATCH:]
        return model.neck(model.backbone(views[1]))[0]


def test_each_row_holds_its_image_s_key(config):
    """Without it rows could belong to other images (trap 1).

    The keys are computed anew; rolled by one they must not match.
    """
    config.model.inter_image.pop('neck', None)  # BYOL's file has one
    model = with_bank(build(config))
    index = torch.randperm(NUM_IMAGES)[:BATCH]
    views, samples = fake_batch(config.default_scope, index)
    model.loss(list(views), samples)
    keys = F.normalize(
        expected_key(config.model.algorithm, model, views), dim=1)
    rows = model.inter_image.bank.features[index]
    torch.testing.assert_close(rows, keys, atol=1e-4, rtol=1e-3)
    assert (rows - keys.roll(1, 0)).abs().max() > 0.01


def test_inter_weight_0_is_the_stock_algorithm(config):
    """Without it the branch could change a stock loss or gradient."""
    config.model.inter_image.pop('neck', None)  # BYOL's file has one
    config.model.inter_weight = 0
    ours = with_bank(build(config))
    settings = copy.deepcopy(config.model)
    for name in ('inter_image', 'inter_weight', 'type'):
        settings.pop(name)
    settings.type = settings.pop('algorithm')
    config.model = settings
    stock = build(config)
    views, samples = fake_batch(config.default_scope)
    for model in (stock, ours):
        torch.manual_seed(1)
        losses = model.loss([v.clone() for v in views], samples)
        total, _ = model.parse_losses(losses)
        total.backward()
        model.total = total.detach()
    assert torch.equal(stock.total, ours.total)
    gradients = dict(ours.named_parameters())
    assert gradients.keys() == dict(stock.named_parameters()).keys()
    for name, parameter in stock.named_parameters():
        if parameter.grad is None:
            assert gradients[name].grad is None, name
        else:
            assert torch.equal(parameter.grad, gradients[name].grad), name
    # Checkpoints keep the stock keys, and add only the branch's.
    added = set(ours.state_dict()) - set(stock.state_dict())
    assert set(stock.state_dict()) <= set(ours.state_dict())
    assert all(name.startswith('inter_image.') for name in added)


def train(config):
    runner = runner_of(config)
    runner.train()
    return runner


def test_it_trains_from_its_configuration(config):
    """Without it a delivered configuration, or a stock hook in it, could
    fail in the first epoch."""
    runner = train(config)
    scalars = runner.message_hub.log_scalars
    assert scalars['train/inter_loss'].current() > 0
    assert torch.isfinite(torch.tensor(scalars['train/loss'].current()))
    assert runner.model.inter_image.bank.random.step == 6


@pytest.mark.parametrize('path', ABLATIONS)
def test_an_ablation_trains(path, tmp_path):
    """Without it one of the paper's choices could not be studied."""
    config = small(path, tmp_path)
    runner = train(config)
    epochs_without = 1 if 'bank' in path.name or 'warmup' in path.name else 0
    logged = 'train/inter_loss' in runner.message_hub.log_scalars
    assert logged == (not epochs_without)
    assert runner.model.inter_image.bank.random.step == 6


@pytest.mark.parametrize('view', [None, 'first'])
def test_a_neck_of_its_own(config, view):
    """Without it the branch could go on through the shared neck, or fill its
    bank from the wrong one (docs/method.md 10.7)."""
    own = copy.deepcopy(config.model.neck)
    own.out_channels = 24
    config.model.inter_image.neck = own
    config.model.inter_image.key_view = view
    config.model.intra_weight = 0.
    model = with_bank(build(config))
    assert model.inter_image.bank.features.shape == (NUM_IMAGES, 24)
    index = torch.randperm(NUM_IMAGES)[:BATCH]
    views, samples = fake_batch(config.default_scope, index)
    inputs = [view.clone() for view in views]
    losses = model.loss(inputs, samples)
    with torch.no_grad():
        # Which view is stored; MoCo's neck and NPID's see but the first.
        name = config.model.algorithm
        which = 1 if view is None and name not in ('MoCo', 'DenseCL',
                                                   'NPID') else 0
        # All views of a batch share its statistics in these two.
        if name == 'SimCLR':
            images = torch.stack(views, 1).flatten(0, 1)
        else:
            images = torch.cat(views) if name == 'SwAV' else views[which]
        rows = F.normalize(model.project(images), dim=1)
        if name == 'SimCLR':
            rows = rows[which::2]
        elif name == 'SwAV':
            rows = rows[which * BATCH:(which + 1) * BATCH]
    stored = model.inter_image.bank.features[index]
    torch.testing.assert_close(stored, rows, atol=1e-4, rtol=1e-3)
    assert (stored - rows.roll(1, 0)).abs().max() > 0.01
    losses['inter_loss'].backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0
               for p in model.inter_neck.parameters())
    assert all(p.grad is None for p in model.neck.parameters())
    assert any(p.grad is not None for p in model.backbone.parameters())

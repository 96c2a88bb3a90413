"""The contrastive head with a margin, beside the stock heads."""
import copy

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from small_run import build_model, fake_batch, small_config

LOSSES = dict(
    mmselfsup='mmcls.CrossEntropyLoss', mmpretrain='CrossEntropyLoss')


def compute(head, scope, positive, negatives):
    positive = positive.clone().requires_grad_()
    # mmselfsup calls a head, mmpretrain its loss (trap 4).
    call = head if scope == 'mmselfsup' else head.loss
    loss = call(positive, negatives)
    loss.backward()
    return loss.detach(), positive.grad


def test_margin_0_is_the_stock_head(scope):
    """Without it replacing the head could change the baseline."""
    init_default_scope(scope)
    stock = MODELS.build(
        dict(
            type='ContrastiveHead',
            loss=dict(type=LOSSES[scope]),
            temperature=0.3))
    ours = MODELS.build(dict(type='MarginNCEHead', temperature=0.3))
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        positive = torch.rand(7, 1, generator=generator) * 2 - 1
        negatives = torch.rand(7, 33, generator=generator) * 2 - 1
        expected = compute(stock, scope, positive, negatives)
        found = compute(ours, scope, positive, negatives)
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize('margin_type', ['cosine', 'arc'])
def test_a_margin_above_0_raises_the_loss(scope, margin_type):
    """Without it the margin could move the negatives, or the wrong way."""
    init_default_scope(scope)
    positive, negatives = torch.tensor([[0.3]]), torch.tensor([[0.1, -0.2]])
    losses = [
        compute(
            MODELS.build(
                dict(
                    type='MarginNCEHead',
                    margin=margin,
                    margin_type=margin_type)), scope, positive, negatives)[0]
        for margin in (-0.4, 0., 0.4)
    ]
    assert losses[0] < losses[1] < losses[2]


def test_moco_takes_it(scope, tmp_path):
    """Without it a margin on the intra-image branch could not be set."""
    config = small_config(scope, tmp_path, 'moco')
    with_margin = copy.deepcopy(config)
    with_margin.model.head = dict(type='MarginNCEHead', temperature=0.2)
    losses = []
    for each in (config, with_margin):
        torch.manual_seed(0)
        model = build_model(each, scope)
        views, samples = fake_batch(scope)
        losses.append(model.loss(views, samples)['loss'])
    assert torch.equal(*losses)

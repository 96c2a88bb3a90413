"""MarginNCE and its two margins (docs/method.md 5)."""
import math

import numpy as np
import pytest
import torch
from reference import margin_nce, moved_positive, numeric_gradient

from interclr_plugin.inter_image import MarginNCELoss
from interclr_plugin.inter_image.margin_nce_loss import MARGINS

ARC_MARGINS = (-math.pi / 2, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0,
               math.pi / 2)


def similarities(count=2001):
    return torch.linspace(-1, 1, count, dtype=torch.float64)


@pytest.mark.parametrize('margin_type', ['cosine', 'arc'])
@pytest.mark.parametrize('margin', [m for m in ARC_MARGINS if abs(m) <= 1])
def test_a_margin_equals_its_formula(margin_type, margin):
    """Without this, the angle form (no arccos in the package) or its
    continuation could be another function than docs/method.md 5's."""
    points = similarities()
    ours = MARGINS[margin_type](points, margin)
    theirs = [moved_positive(s, margin, margin_type) for s in points.tolist()]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize('margin', ARC_MARGINS)
def test_the_arc_margin_rises_everywhere(margin):
    """Without this, the continuation could be missing: the cosine would turn
    back, and the loss would push some positives away."""
    moved = MARGINS['arc'](similarities(20001), margin)
    assert (moved.diff() > 0).all()


def test_the_sign_of_the_margin():
    """Without this, m could be taken the other way round: above 0 the
    boundary has to be more stringent."""
    points = similarities(101)[1:-1]
    for margin_type in MARGINS:
        assert (MARGINS[margin_type](points, 0.3) < points).all()
        assert (MARGINS[margin_type](points, -0.3) > points).all()
        same = MARGINS[margin_type](points, 0.0)
        torch.testing.assert_close(same, points, rtol=0, atol=1e-15)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('margin', ARC_MARGINS)
def test_the_arc_gradient_is_finite_at_the_ends(margin, dtype):
    """Without this, a positive at a cosine of exactly 1 gives a NaN gradient
    (docs/method.md 10.5); rounding also gives values a little above 1."""
    points = torch.tensor([-1.0, 1.0, -1 - 1e-7, 1 + 1e-7, 0.0], dtype=dtype)
    points.requires_grad_()
    moved = MARGINS['arc'](points, margin)
    moved.sum().backward()
    assert moved.isfinite().all()
    assert points.grad.isfinite().all()
    assert (points.grad >= -1e-6).all()  # never away from the positive


@pytest.mark.parametrize('margin', ARC_MARGINS)
def test_the_arc_gradient_equals_differences(margin):
    """Without this, the guard of the square root could cut the gradient off
    inside the interval."""
    points = similarities(41)[1:-1] + 0.001
    points.requires_grad_()
    MARGINS['arc'](points, margin).sum().backward()
    numeric = numeric_gradient(
        lambda at: sum(moved_positive(s, margin, 'arc') for s in at),
        points.detach().numpy())
    np.testing.assert_allclose(points.grad, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('margin_type, margin', [('cosine', -0.5),
                                                 ('cosine', 0.4),
                                                 ('cosine', 0.0),
                                                 ('arc', -0.5), ('arc', 0.5)])
@pytest.mark.parametrize('temperature', [0.07, 0.2, 1.0])
def test_loss_and_gradient(margin_type, margin, temperature):
    """Without this, the loss could be another than MarginNCE: the margin on
    the negatives, the temperature left out, a sum instead of a mean."""
    draw = torch.Generator().manual_seed(0)
    positive = torch.rand(5, generator=draw, dtype=torch.float64) * 2 - 1
    negatives = torch.rand(5, 7, generator=draw, dtype=torch.float64) * 2 - 1
    valid = torch.rand(5, 7, generator=draw) < 0.6
    valid[3] = False  # an image without negatives
    valid[4] = True
    loss = MarginNCELoss(
        margin=margin, margin_type=margin_type, temperature=temperature)

    def expected(both):
        return np.mean([
            margin_nce(row[0], row[1:][keep], margin, margin_type,
                       temperature) for row, keep in zip(both, valid.numpy())
        ])

    both = torch.cat((positive.unsqueeze(1), negatives), 1).requires_grad_()
    ours = loss(both[:, 0], both[:, 1:], valid)
    ours.backward()
    at = both.detach().numpy()
    np.testing.assert_allclose(ours.item(), expected(at), rtol=1e-10)
    np.testing.assert_allclose(
        both.grad, numeric_gradient(expected, at), rtol=1e-5, atol=1e-7)


def test_without_valid_all_slots_count():
    """Without this, leaving ``valid`` out could mean another loss."""
    draw = torch.Generator().manual_seed(1)
    positive = torch.rand(3, generator=draw)
    negatives = torch.rand(3, 4, generator=draw)
    loss = MarginNCELoss()
    assert torch.equal(
        loss(positive, negatives),
        loss(positive, negatives, torch.ones(3, 4, dtype=torch.bool)))


def test_masked_slots_do_nothing_whatever_they_hold():
    """Without this, what lies in a masked slot could reach the loss or the
    gradient."""
    positive = torch.tensor([0.3, -0.2], requires_grad=True)
    negatives = torch.tensor([[0.5, 9e9], [9e9, 9e9]], requires_grad=True)
    valid = torch.tensor([[True, False], [False, False]])
    loss = MarginNCELoss()(positive, negatives, valid)
    loss.backward()
    expected = margin_nce(0.3, [0.5], -0.5, 'cosine', 0.2) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert negatives.grad.isfinite().all()
    assert (negatives.grad[~valid] == 0).all()
    assert positive.grad[1] == 0


def test_many_negatives_at_a_low_temperature_do_not_overflow():
    """Without this, a sum of exponentials could overflow in float32."""
    positive = torch.full((2, ), -1.0, requires_grad=True)
    loss = MarginNCELoss(
        temperature=0.005, margin=0.5)(positive, torch.ones(2, 20000))
    loss.backward()
    expected = 2.5 / 0.005 + math.log(20000)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert positive.grad.isfinite().all()


@pytest.mark.parametrize('argument, allowed', [
    (dict(margin_type='angle'), ["'angle'", "'cosine', 'arc'"]),
    (dict(margin=1.01), ['margin=1.01', '[-1, 1]']),
    (dict(margin=-1.01), ['margin=-1.01', '[-1, 1]']),
    (dict(margin=1.6, margin_type='arc'), ['margin=1.6', '[-1.571, 1.571]']),
    (dict(margin=math.nan), ['margin=nan', '[-1, 1]']),
    (dict(temperature=0.0), ['temperature=0.0', 'above 0']),
    (dict(temperature=-0.1), ['temperature=-0.1', 'above 0']),
    (dict(temperature=math.nan), ['temperature=nan', 'above 0']),
    (dict(temperature=math.inf), ['temperature=inf', 'finite']),
])
def test_a_bad_argument_is_named(argument, allowed):
    """Without this, a mistyped configuration would train on nonsense, or
    the message would leave the user to guess the line to change."""
    with pytest.raises(ValueError) as error:
        MarginNCELoss(**argument)
    # The last argument given is the one that is wrong, or the only one.
    name = next(iter(argument))
    for part in [*allowed, f'loss=dict({name}=...)']:
        assert part in str(error.value)


@pytest.mark.parametrize('margin_type, margin', [('cosine', 1), ('cosine', -1),
                                                 ('arc', math.pi / 2),
                                                 ('arc', -math.pi / 2)])
def test_the_ends_of_the_range_are_allowed(margin_type, margin):
    """Without this, the range could be open where the message says
    closed."""
    MarginNCELoss(margin=margin, margin_type=margin_type)

"""The choice among similarities, beside torch.topk, and its gradient."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from interclr_plugin.inter_image import PairSampler, similarities


def unit_rows(num_rows, feat_dim=8, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(num_rows, feat_dim, generator=draw), dim=1)


def check_choice(scores, count, largest):
    """Distinct columns, and the same numbers as torch.topk's."""
    columns = similarities.choose(scores, count, largest)
    assert columns.shape == (len(scores), count)
    assert columns.dtype == torch.long
    assert all(len(row.unique()) == count for row in columns)
    expected = scores.topk(count, 1, largest, sorted=False).values
    assert torch.equal(
        scores.gather(1, columns).sort(1).values, expected.sort(1).values)


@given(
    data=st.data(),
    num_rows=st.integers(1, 5),
    width=st.integers(1, 300),
    values=st.integers(1, 400),
    largest=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 999))
def test_the_choice_is_that_of_topk(data, num_rows, width, values, largest,
                                    dtype, seed):
    """Without it a tie, a row in which all are alike, or a choice of all
    columns could repeat a negative or miss a nearer one. Numbers that are not
    in float32, or not on the CPU, are ranked otherwise."""
    count = data.draw(st.integers(1, width))
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randint(values, (num_rows, width), generator=draw) / 7
    scores = scores.to(dtype)
    check_choice(scores, count, largest)


@pytest.mark.parametrize('largest', [True, False])
def test_a_batch_is_ranked_in_parts(monkeypatch, largest):
    """Without it the rows of a batch that does not fit into one part could
    be left out, or get the choice of others."""
    scores = unit_rows(11, 3000)
    assert torch.equal(  # no ties: the very same columns
        similarities.choose(scores, 300, largest).sort(1).values,
        scores.topk(300, 1, largest).indices.sort(1).values)
    for size in (1, 7000, 3000 * 11):
        monkeypatch.setattr(similarities, '_RANKED', size)
        check_choice(scores, 300, largest)


def test_nan_spoils_its_own_row_alone():
    """Without it one bad image could hang the choice, or change another's;
    the step is reported afterwards."""
    scores = unit_rows(3, 500)
    expected = similarities.choose(scores, 40)
    scores[1] = torch.nan
    chosen = similarities.choose(scores, 40)
    assert torch.equal(chosen[[0, 2]], expected[[0, 2]])
    assert len(chosen[1].unique()) == 40
    assert 0 <= chosen.min() and chosen.max() < 500


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('strategy', ['hard', 'semi-hard', 'semi-easy'])
def test_a_bank_in_half_precision_gives_the_nearest(dtype, strategy):
    """Without it similarities could be rounded to the bank's precision before
    they are ranked."""
    features, query = unit_rows(4000).to(dtype), unit_rows(4, seed=1)
    labels = torch.arange(4000) % 9
    sampler = PairSampler(
        strategy=strategy, num_negatives=200, pool_fraction=0.05, pool='exact')
    sampler.allocate(4000)
    pairs = sampler(query, torch.arange(4), features, labels,
                    torch.Generator().manual_seed(0))
    sign = -1 if strategy == 'semi-easy' else 1
    scores = sign * (query @ features.float().t())
    scores[labels == labels[:4].unsqueeze(1)] = -2
    expected = scores.topk(200, 1).values
    np.testing.assert_allclose(
        sign * pairs.negative_similarity.sort(1, descending=sign > 0).values,
        expected,
        atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('count', [1, 10, 11, 40])
def test_the_gradient_is_that_of_the_products(dtype, count):
    """Without it adding up a few rows, or the product with all, could give
    the query a gradient of other negatives."""
    rows, query = unit_rows(40).to(dtype), unit_rows(5, seed=1)
    weights = unit_rows(5, count, seed=2)
    gradients = []
    for known in (True, False):
        leaf = query.clone().requires_grad_()
        products = leaf @ rows.float().t()
        columns = similarities.choose(products.detach(), count)
        chosen = products.gather(1, columns)
        if known:
            chosen = similarities.Chosen.apply(
                leaf, rows, columns, chosen.detach(), products.detach())
        (chosen * weights).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)

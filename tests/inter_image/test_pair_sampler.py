"""Positives and negatives (docs/method.md 4)."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from reference import pool, positives
from scipy.stats import chi2

from interclr_plugin.inter_image import PairSampler
from interclr_plugin.inter_image.members import Members
from interclr_plugin.inter_image.random_stream import draw_subset

STRATEGIES = ('semi-hard', 'hard', 'random', 'semi-easy')
# A fair draw fails a test once in 10,000 seeds; the seeds are fixed.
TAIL = 1e-4


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def unit_rows(num_rows, feat_dim=6, seed=0):
    rows = torch.randn(num_rows, feat_dim, generator=seeded(seed))
    return F.normalize(rows, dim=1)


def sampler_for(num_images, strategy='semi-hard', **arguments):
    # The pool's exact rules; candidates have tests of their own.
    arguments.setdefault('pool', 'exact')
    sampler = PairSampler(strategy=strategy, **arguments)
    sampler.allocate(num_images)
    return sampler


def even(counts, trials_each):
    """Whether counts may come from draws without repeats, all alike.

    Each of ``trials_each`` draws took ``sum(counts) / trials_each`` of
    ``len(counts)`` items, so a count varies less than with repeats.
    """
    counts = np.asarray(counts, dtype=np.float64)
    share = counts.sum() / trials_each / len(counts)
    expected = trials_each * share
    spread = ((counts - expected)**2).sum() / (expected * (1 - share))
    spread *= (len(counts) - 1) / len(counts)
    return spread < chi2.isf(TAIL, len(counts) - 1)


def test_even_tells_fair_from_unfair():
    """Without this, the bound of the tests below could accept anything."""
    draw = np.random.RandomState(0)
    fair, unfair = np.zeros(20), np.zeros(20)
    odds = np.array([1.5] * 5 + [1.0] * 15)
    for _ in range(2000):
        fair[draw.choice(20, 6, replace=False)] += 1
        unfair[draw.choice(20, 6, replace=False, p=odds / odds.sum())] += 1
    assert even(fair, 2000)
    assert not even(unfair, 2000)


# positives
@pytest.mark.parametrize('kind', ['all', 'others'])
def test_positives_are_uniform_over_the_cluster(kind):
    """Without this, some images could never be a positive, or an image be
    its own where it must not; one that is alone always is."""
    labels = torch.randint(0, 5, (60, ), generator=seeded(0))
    labels[17] = 5  # a cluster of one
    first, last = (labels == labels[0]).nonzero().flatten()[[0, -1]].tolist()
    for image in (first, last, 17, 30):
        index = torch.tensor(image).repeat(4000)
        drawn = Members(labels).draw(
            labels[index],
            labels,
            seeded(1),
            exclude=index if kind == 'others' else None)
        members = sorted(positives(labels.tolist(), image, kind))
        counts = torch.bincount(drawn, minlength=60)
        assert set(drawn.tolist()) == set(members)
        # 4,000 draws of one each.
        assert len(members) == 1 or even(counts[members], 4000)


def test_each_image_of_a_batch_gets_its_own_positive():
    """Without this, one random number could serve a whole batch."""
    labels = torch.zeros(50, dtype=torch.long)
    drawn = Members(labels).draw(labels[:40], labels, seeded())
    assert len(drawn.unique()) > 15


def test_similarities_belong_to_the_pairs():
    """Without this, the loss could compare a query with other images than
    those that were chosen, or get no gradient."""
    features, labels = unit_rows(40), torch.arange(40) % 4
    for strategy in STRATEGIES:
        sampler = sampler_for(
            40, strategy, num_negatives=6, pool_fraction=0.5)
        query = unit_rows(5, seed=1).requires_grad_()
        pairs = sampler(query, torch.arange(5), features, labels, seeded())
        raw = query.detach()
        for b in range(5):
            assert pairs.positive_similarity[b].item() == pytest.approx(
                float(raw[b] @ features[pairs.positive[b]]), abs=1e-6)
            for k in range(6):
                assert pairs.negative_similarity[b, k].item() == pytest.approx(
                    float(raw[b] @ features[pairs.negatives[b, k]]), abs=1e-6)
        pairs.negative_similarity[2].sum().backward()
        np.testing.assert_allclose(
            query.grad[2], features[pairs.negatives[2]].sum(0), atol=1e-5)


# negatives
def check_pairs(pairs,
                strategy,
                query,
                index,
                features,
                labels,
                size,
                kind='all'):
    """What must hold for any draw, beside the reference's sets."""
    labels = labels.tolist()
    num_negatives = pairs.negatives.shape[1]
    for b, image in enumerate(index.tolist()):
        assert pairs.positive[b].item() in positives(labels, image, kind)
        chosen = pairs.negatives[b][pairs.valid[b]].tolist()
        assert len(set(chosen)) == len(chosen)  # no repeats
        assert not set(chosen) & positives(labels, image)
        allowed = pool(strategy, query[b], features, labels, image, size)
        if strategy == 'hard':
            allowed = pool(strategy, query[b], features, labels, image,
                           num_negatives)
            assert set(chosen) == allowed
        assert set(chosen) <= allowed
        if strategy != 'random':
            assert len(chosen) == min(num_negatives, len(allowed))
        elif len(labels) <= 2 * num_negatives:
            assert len(chosen) == min(num_negatives, len(allowed))


@given(
    data=st.data(),
    strategy=st.sampled_from(STRATEGIES),
    kind=st.sampled_from(['all', 'others']),
    labels=st.lists(st.integers(0, 3), min_size=4, max_size=30),
    fraction=st.floats(0.1, 1),
    seed=st.integers(0, 99))
def test_any_draw_keeps_the_rules(data, strategy, kind, labels, fraction,
                                  seed):
    """Without this, a negative could share the query's label, repeat or lie
    outside the pool, or a slot stay free although an image is left."""
    num_images = len(labels)
    labels = torch.tensor(labels)
    largest = max(1, round(fraction * num_images))
    if strategy in ('hard', 'random'):
        largest = num_images - 1
    num_negatives = data.draw(st.integers(1, largest))
    sampler = sampler_for(
        num_images,
        strategy,
        num_negatives=num_negatives,
        pool_fraction=fraction,
        positives=kind)
    index = torch.randint(0, num_images, (3, ), generator=seeded(seed))
    query, features = unit_rows(3, seed=seed), unit_rows(
        num_images, seed=seed + 100)
    pairs = sampler(query, index, features, labels, seeded(seed))
    check_pairs(pairs, strategy, query, index, features, labels,
                sampler.pool_size, kind)


@pytest.mark.parametrize('strategy', ['semi-hard', 'random', 'semi-easy'])
def test_a_draw_is_uniform(strategy):
    """Without this, a pool's most similar images could be drawn more often
    than its least similar. Two images of a batch are looked at, as the draw
    shares random numbers over the batch."""
    features, labels = unit_rows(60), torch.arange(60) * 8 // 60
    query, index = unit_rows(3, seed=1), torch.tensor([8, 50, 31])
    sampler = sampler_for(60, strategy, num_negatives=6, pool_fraction=0.3)
    trials = 3000
    counts = torch.zeros(3, 60)
    generator = seeded(2)
    for _ in range(trials):
        pairs = sampler(query, index, features, labels, generator)
        counts.scatter_add_(1, pairs.negatives, pairs.valid.float())
    for b in (0, 2):
        members = sorted(
            pool(strategy, query[b], features, labels.tolist(),
                 index[b].item(), 18))
        others = [i for i in range(60) if i not in members]
        assert not counts[b][others].any()
        assert counts[b].sum() == 6 * trials  # every slot was filled
        assert even(counts[b][members], trials)


@pytest.mark.parametrize('strategy', ['semi-hard', 'random', 'semi-easy'])
def test_each_step_draws_anew(strategy):
    """Without this, all steps could see the same negatives."""
    features, labels = unit_rows(60), torch.arange(60) % 8
    sampler = sampler_for(60, strategy, num_negatives=6, pool_fraction=0.3)
    generator = seeded()
    first, second = (
        sampler(features[:1], torch.zeros(1).long(), features, labels,
                generator).negatives for _ in range(2))
    assert set(first[0].tolist()) != set(second[0].tolist())


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_free_slots_are_masked(strategy):
    """Without this, too few valid negatives could end in an endless loop, as
    in the released code (docs/method.md 10.3), or in same-label negatives."""
    num_images = 30
    features = unit_rows(num_images)
    labels = torch.zeros(num_images, dtype=torch.long)
    labels[[4, 9, 21]] = torch.tensor([1, 2, 1])
    sampler = sampler_for(
        num_images, strategy, num_negatives=15, pool_fraction=0.5)
    query, index = unit_rows(3, seed=1), torch.tensor([0, 4, 9])
    pairs = sampler(query, index, features, labels, seeded())
    assert pairs.valid.sum(1).tolist() == [3, 15, 15]
    assert set(pairs.negatives[0][pairs.valid[0]].tolist()) == {4, 9, 21}
    check_pairs(pairs, strategy, query, index, features, labels, 15)


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_one_cluster_holds_everything(strategy):
    """Without this, a collapse of the labels could hang the run."""
    features = unit_rows(20)
    labels = torch.full((20, ), 2)
    sampler = sampler_for(20, strategy, num_negatives=5, pool_fraction=0.5)
    pairs = sampler(features[:4], torch.arange(4), features, labels, seeded())
    assert not pairs.valid.any()
    assert pairs.negatives.shape == (4, 5)
    assert pairs.negative_similarity.isfinite().all()


@given(num_images=st.integers(1, 40), seed=st.integers(0, 99), data=st.data())
def test_a_subset_is_distinct_and_in_range(num_images, seed, data):
    """Without this, negatives could repeat or lie outside the bank."""
    count = data.draw(st.integers(1, num_images))
    drawn = draw_subset(num_images, count, seeded(seed)).tolist()
    assert len(set(drawn)) == count
    assert set(drawn) <= set(range(num_images))


@pytest.mark.parametrize('total, count', [(23, 7), (20, 5), (10, 9), (7, 7)])
def test_a_subset_is_uniform(total, count):
    """Without this, parts of unequal length could favour some images."""
    counts = np.zeros(total)
    generator = seeded()
    for _ in range(3000):
        counts[draw_subset(total, count, generator)] += 1
    assert counts.sum() == 3000 * count
    if count == total:
        assert (counts == 3000).all()
        return
    # A draw from parts varies less than one from all, never more.
    expected = 3000 * count / total
    spread = ((counts - expected)**2).sum()
    spread /= expected * (1 - count / total)
    assert spread < chi2.isf(TAIL, total - 1)


# sizes
@pytest.mark.parametrize('num_images, strategy, num_negatives, pool_size', [
    (1281167, 'semi-hard', 16384, 128117),
    (1281167, 'hard', 16384, 128117),
    (1281167, 'random', 16384, 128117),
    (200000, 'semi-hard', 10000, 20000),
    (1500, 'semi-easy', 75, 150),
    (2, 'semi-hard', 1, 1),
])
def test_default_sizes(num_images, strategy, num_negatives, pool_size):
    """Without this, a default could leave the released recipe on ImageNet,
    or be impossible on small data."""
    sampler = sampler_for(num_images, strategy)
    assert sampler.num_negatives == num_negatives
    assert sampler.pool_size == pool_size


@pytest.mark.parametrize('arguments, parts', [
    (dict(strategy='easy'), [
        "'easy'", "'semi-hard', 'hard', 'random', 'semi-easy'",
        'inter_image=dict(sampler=dict(strategy=...))'
    ]),
    (dict(positives='own'), [
        "'own'", "'all', 'others'",
        'inter_image=dict(sampler=dict(positives=...))'
    ]),
    (dict(num_negatives=0), [
        'num_negatives=0', 'at least 1',
        'inter_image=dict(sampler=dict(num_negatives=...))'
    ]),
    (dict(num_negatives=-3), ['num_negatives=-3', 'at least 1']),
    (dict(pool_fraction=0.0), [
        'pool_fraction=0.0', '(0, 1]',
        'inter_image=dict(sampler=dict(pool_fraction=...))'
    ]),
    (dict(pool_fraction=1.5), ['pool_fraction=1.5', '(0, 1]']),
    (dict(pool_fraction=float('nan')), ['pool_fraction=nan', '(0, 1]']),
])
def test_a_bad_argument_is_named(arguments, parts):
    """Without this, an impossible setting gives a raw torch error in the
    middle of a run (docs/method.md 10.10)."""
    with pytest.raises(ValueError) as error:
        PairSampler(**arguments)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize('strategy, most', [('semi-hard', 20),
                                            ('semi-easy', 20), ('hard', 99),
                                            ('random', 99)])
def test_more_negatives_than_the_data_has_are_named(strategy, most):
    """Without this, K above the pool's size fails in topk without a line to
    change; K at the limit must work."""
    sampler = PairSampler(
        strategy=strategy, num_negatives=most, pool_fraction=0.2)
    sampler.allocate(100)
    labels = torch.arange(100)
    features = unit_rows(100)
    pairs = sampler(features[:2], torch.arange(2), features, labels, seeded())
    assert pairs.valid.all()
    sampler = PairSampler(
        strategy=strategy, num_negatives=most + 1, pool_fraction=0.2)
    with pytest.raises(ValueError) as error:
        sampler.allocate(100)
    for part in (f'num_negatives={most + 1}', f'1 to {most}', '100 images',
                 'sampler=dict(num_negatives=...', 'pool_fraction=...'):
        assert part in str(error.value)


def test_an_overwritten_choice_has_no_gradient():
    """Without it similarities kept in reused memory could give the gradient
    of another batch, in silence."""
    features, labels = unit_rows(100), torch.arange(100) % 8
    sampler = PairSampler(num_negatives=4)
    sampler.allocate(100)
    first = unit_rows(3, seed=1).requires_grad_()
    old = sampler(first, torch.arange(3), features, labels, seeded())
    sampler(unit_rows(5, seed=2), torch.arange(5), features, labels, seeded())
    with pytest.raises(RuntimeError, match='modified by an inplace'):
        old.negative_similarity.sum().backward()

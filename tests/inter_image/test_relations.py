"""Relations to the rows of many images (docs/method.md 4.7 and 5.1)."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import (
    numeric_gradient,
    relation_loss,
    relation_targets,
    whitened,
)

from interclr_plugin.inter_image import (
    InterImageBranch,
    RelationLoss,
    RelationSampler,
    Whitening,
)
from interclr_plugin.inter_image.rows import Rows

NUM_IMAGES, FEAT_DIM, BATCH = 30, 6, 5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rows_of(num_rows=NUM_IMAGES, feat_dim=FEAT_DIM, seed=0):
    # A direction that all share, and others of unequal variance.
    rows = torch.randn(num_rows, feat_dim, generator=seeded(seed))
    rows = rows * torch.linspace(0.2, 2, feat_dim) + 1
    return F.normalize(rows, dim=1)


def sampler_for(features, seed=0, **arguments):
    sampler = RelationSampler(**arguments)
    sampler.allocate(len(features))
    sampler.whitening.fit(Rows(features), seeded(seed))
    return sampler


def pairs_of(sampler, query, index, features, seed=0):
    labels = torch.zeros(len(features), dtype=torch.long)
    return sampler(query, index, features, labels, seeded(seed))


@pytest.mark.parametrize('num_axes', [3, FEAT_DIM, 64])
def test_rows_are_whitened(num_axes):
    """Without this, axes could be those of least variance, keep their
    scale, or be turned by a wrong centre: products tell, whatever the
    eigenvectors' signs."""
    rows = rows_of()
    whitening = Whitening(num_axes)
    whitening.fit(Rows(rows), seeded())
    expected = whitened(rows, num_axes)
    found = whitening(rows).double().numpy()
    assert found.shape == (NUM_IMAGES, min(num_axes, FEAT_DIM))
    np.testing.assert_allclose(found @ found.T, expected @ expected.T,
                               atol=1e-4)


def test_of_many_rows_some_are_enough():
    """Without this, axes of a million images cost a pass over all of them,
    or come from the first ones alone."""
    rows = rows_of(40_000, 4)
    rows[:20_000] = -rows[:20_000].roll(1, 1)
    whitening, every = Whitening(4), Whitening(4)
    taken = []

    class Counted(Rows):

        def select(self, index):
            taken.append(index)
            return super().select(index)

    whitening.fit(Counted(rows), seeded())
    every.centre = rows.mean(0)
    covariance = (rows - every.centre).t() @ (rows - every.centre) / len(rows)
    values, vectors = torch.linalg.eigh(covariance)
    every.axes = vectors * values.rsqrt()
    assert len(taken[0].unique()) == 1 << 14
    some = rows[::997]
    found, expected = whitening(some), every(some)
    torch.testing.assert_close(
        found @ found.t(), expected @ expected.t(), atol=0.05, rtol=0)


@pytest.mark.parametrize('candidates', [12, None])
def test_loss_and_gradient_are_the_specification_s(candidates):
    """Without this, targets could be of other images than the logits, the
    own image count, a temperature be missing, or the gradient be of another
    loss."""
    features = rows_of()
    sampler = sampler_for(features, num_candidates=candidates, num_axes=4)
    loss = RelationLoss()
    index = torch.tensor([3, 3, 0, 17, 29])
    query = torch.randn(BATCH, FEAT_DIM, generator=seeded(1))
    leaf = query.clone().requires_grad_()
    pairs = pairs_of(sampler, F.normalize(leaf, dim=1), index, features)
    value = loss(pairs.positive_similarity, pairs.negative_similarity,
                 pairs.valid)
    value.backward()

    compared = whitened(features, 4)
    chosen = pairs.negatives[0].tolist()
    assert len(set(chosen)) == (candidates or NUM_IMAGES // 2)
    targets = [
        relation_targets(compared, int(i), chosen, 0.05) for i in index
    ]

    def mean_loss(queries):
        return np.mean([
            relation_loss(q, features.double().numpy(), t, 0.1)
            for q, t in zip(queries, targets)
        ])

    assert float(value) == pytest.approx(mean_loss(query.numpy()), abs=1e-4)
    np.testing.assert_allclose(
        leaf.grad, numeric_gradient(mean_loss, query.numpy()), atol=1e-4)
    for b, target in enumerate(targets):
        found = dict(zip(chosen, pairs.weights[b].tolist()))
        assert found.pop(int(index[b]), 0) == 0
        assert found == pytest.approx(target, abs=1e-4)
        assert pairs.positive[b] == max(target, key=target.get)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(4, 40), st.integers(1, 8), st.integers(0, 10**6),
    st.sampled_from(['spread', 'equal', 'two']), st.booleans())
def test_every_draw_is_of_use(num_images, batch, seed, kind, half):
    """Without this, equal rows or few images could end in NaN, or an image
    be told to be as alike to itself."""
    features = rows_of(num_images, seed=seed)
    if kind == 'equal':
        features[:] = features[:1].clone()
    elif kind == 'two':
        features[:] = features[:2].repeat(num_images, 1)[:num_images]
    features = features.half() if half else features
    sampler = sampler_for(features, seed)
    index = torch.randint(num_images, (batch, ), generator=seeded(seed))
    query = rows_of(batch, seed=seed + 1).requires_grad_()
    pairs = pairs_of(sampler, query, index, features, seed)
    loss = RelationLoss()(
        pairs.positive_similarity, pairs.negative_similarity, pairs.valid)
    loss.backward()
    assert loss.isfinite() and query.grad.isfinite().all()
    assert ((pairs.negatives != index.unsqueeze(1)) == pairs.valid).all()
    assert (pairs.weights[~pairs.valid] == 0).all()
    torch.testing.assert_close(pairs.weights.sum(1), torch.ones(batch))
    assert (pairs.positive != index).all()


def test_candidates_are_all_images_sooner_or_later():
    """Without this, some images could never be a candidate."""
    features = rows_of()
    sampler = sampler_for(features, num_candidates=3)
    counts = torch.zeros(NUM_IMAGES)
    for seed in range(600):
        pairs = pairs_of(
            sampler, features[:1], torch.tensor([0]), features, seed)
        counts[pairs.negatives[0]] += 1
    # 60 each on average.
    assert counts.sum() == 1800 and 35 < counts.min() and counts.max() < 90


def branch_of(**settings):
    branch = InterImageBranch(
        num_clusters=3, feat_dim=FEAT_DIM, bank=dict(momentum=0.2),
        sampler=dict(type='RelationSampler', **settings))
    branch.allocate(NUM_IMAGES, seed=3)
    branch.fill(rows_of())
    branch.first_clustering()
    return branch


def step(branch, number):
    draw = seeded(number)
    query, key = torch.randn(2, BATCH, FEAT_DIM, generator=draw)
    index = torch.randint(NUM_IMAGES, (BATCH, ), generator=draw)
    query.requires_grad_()
    loss, _ = branch(query, key, index)
    loss.backward()
    branch.after_step()
    return loss.detach(), query.grad


def test_its_loss_comes_with_it():
    """Without this, one line of a configuration would not be enough, and
    the released loss would be taken in silence."""
    assert isinstance(branch_of().loss, RelationLoss)


def test_axes_are_looked_at_when_due():
    """Without this, rows would be compared for ever in axes of the first
    clustering; or a look at each step cost more than the step."""
    branch = branch_of(whitening_interval=3)
    seen = [branch.sampler.whitening.axes]
    for number in range(6):
        step(branch, number)
        seen.append(branch.sampler.whitening.axes)
    moved = [a is not b for a, b in zip(seen, seen[1:])]
    assert moved == [False, False, True, False, False, True]


def test_a_batch_in_parts_is_the_same():
    """Without this, queries_at_once would compare with other rows."""
    whole, parts = branch_of(), branch_of()
    parts.queries_at_once = 2
    for number in range(3):
        for one, other in zip(step(whole, number), step(parts, number)):
            torch.testing.assert_close(one, other)


def test_a_copy_of_the_state_goes_on_alike():
    """Without this, a resumed run would compare in no axes until the next
    look at them, in silence."""
    branch, other = (branch_of(whitening_interval=5) for _ in range(2))
    for number in range(6):  # past a look: not the first axes
        step(branch, number)
    other.load_state_dict(branch.state_dict())
    assert not list(branch.sampler.buffers())
    for number in range(6, 12):  # across the next
        for one, two in zip(step(branch, number), step(other, number)):
            assert torch.equal(one, two)


@pytest.mark.parametrize('settings, message', [
    (dict(num_candidates=1), 'num_candidates=1 must be at least 2'),
    (dict(num_candidates=31), 'num_candidates=31 is impossible.*2 to 30'),
    (dict(target_temperature=0.), 'target_temperature=0.0 must be above 0'),
    (dict(num_axes=0), 'num_axes=0 must be at least 1'),
    (dict(whitening_interval=0), 'whitening_interval=0 must be at least 1'),
    (dict(strategy='hard'), "no setting 'strategy'"),
])
def test_wrong_settings_are_refused(settings, message):
    """Without this, a wrong value ends in a shape error, or in NaN."""
    with pytest.raises(ValueError, match=message) as error:
        branch_of(**settings)
    assert 'inter_image=dict(sampler=dict(' in str(error.value)


def test_a_wrong_temperature_is_refused():
    """Without this, a loss would be NaN from the first step on."""
    with pytest.raises(ValueError, match='temperature=-1.*loss=dict'):
        RelationLoss(temperature=-1.)

"""The branch: bank, labels, pairs and loss together (docs/method.md 1-5)."""
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import (
    branch_loss,
    cluster_sizes,
    nearest_centroid,
    negatives,
    positives,
    unit,
    updated_bank,
)

from interclr_plugin.inter_image import InterImageBranch

STRATEGIES = ('semi-hard', 'hard', 'random', 'semi-easy')


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def branch_of(num_images=40,
              num_clusters=4,
              feat_dim=6,
              strategy='semi-hard',
              num_negatives=8,
              momentum=1.0,
              **arguments):
    """A filled branch over random features."""
    arguments.setdefault('labels', dict(min_cluster_size=3))
    branch = InterImageBranch(
        num_clusters=num_clusters,
        feat_dim=feat_dim,
        bank=dict(momentum=momentum),
        sampler=dict(
            strategy=strategy, num_negatives=num_negatives, pool_fraction=0.5),
        **arguments)
    branch.allocate(num_images, seed=5)
    branch.fill(torch.randn(num_images, feat_dim, generator=seeded(1)))
    branch.first_clustering()
    return branch


def batch_of(branch, size=5, seed=2, scale=3.0):
    """Raw queries and keys, and distinct images."""
    draw = seeded(seed)
    query = scale * torch.randn(size, branch.feat_dim, generator=draw)
    key = scale * torch.randn(size, branch.feat_dim, generator=draw)
    index = torch.randperm(branch.num_images, generator=draw)[:size]
    return query.requires_grad_(), key, index


def record_pairs(branch):
    """The pairs that each step will draw, and the bank at that moment."""
    drawn = []

    compare = branch.sampler.compare

    def keep(query, index, features, labels, draw):
        pairs = compare(query, index, features, labels, draw)
        drawn.append((pairs, features.clone(), labels.clone()))
        return pairs

    branch.sampler.compare = keep
    return drawn


def state_of(branch):
    return {name: value.clone() for name, value in branch.state_dict().items()}


def reference_loss(query, pairs, bank, margin=-0.5, temperature=0.2):
    chosen = [[bank[k] for k in row[valid]]
              for row, valid in zip(pairs.negatives, pairs.valid)]
    return branch_loss(query, bank[pairs.positive], chosen, temperature,
                       margin)


# loss and gradient
@pytest.mark.parametrize('strategy', STRATEGIES)
@pytest.mark.parametrize('weight', [1.0, 0.25])
def test_loss_and_gradient_reach_the_raw_query(strategy, weight):
    """Without this, the gradient that is computed ahead of the backward pass
    could leave out the normalisation, the margin or the weight."""
    branch = branch_of(
        strategy=strategy, loss=dict(margin=-0.3, temperature=0.15))
    drawn = record_pairs(branch)
    query, key, index = batch_of(branch)
    loss, _ = branch(query, key, index)
    (weight * loss).backward()
    pairs, bank, _ = drawn[0]
    other = query.detach().clone().requires_grad_()
    expected = reference_loss(other, pairs, bank, -0.3, 0.15)
    (weight * expected).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(query.grad, other.grad, rtol=1e-4, atol=1e-7)
    assert query.grad.abs().max() > 1e-3


def test_the_gradient_goes_on_into_the_network():
    """Without this, the loss could be cut off from the network that made
    the query, or change a gradient that other losses put there."""
    branch = branch_of()
    query, key, index = batch_of(branch)
    weights = torch.eye(6).requires_grad_()
    inputs = query.detach()
    projected = inputs @ weights
    loss, _ = branch(projected, key, index)
    (loss + projected.square().sum()).backward()
    with_branch = weights.grad.clone()
    weights.grad = None
    (inputs @ weights).square().sum().backward()
    only_other = weights.grad.clone()
    weights.grad = None
    branch = branch_of()
    loss, _ = branch(inputs @ weights, key, index)
    loss.backward()
    assert weights.grad.abs().max() > 1e-3
    torch.testing.assert_close(with_branch, only_other + weights.grad)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_projections_give_a_float32_loss(dtype):
    """Without this, under automatic mixed precision the similarities could
    be computed in half precision."""
    branch, other = branch_of(), branch_of()
    query, key, index = batch_of(branch)
    half = query.detach().to(dtype).requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss, _ = branch(half, key.to(dtype), index)
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad.dtype == dtype
    # The same numbers in float32 without autocast: equal to the bit.
    full = half.detach().float().requires_grad_()
    expected, _ = other(full, key.to(dtype).float(), index)
    expected.backward()
    assert torch.equal(loss, expected)
    assert torch.equal(half.grad, full.grad.to(dtype))
    for name, value in state_of(other).items():
        assert torch.equal(getattr_path(branch, name), value), name
    assert branch.bank.features.dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_keys_are_stored_and_labelled_in_float32(dtype):
    """Without this, a warm-up or a weight of 0, where nothing else runs,
    could end in an error or label in half precision."""
    branch, other = branch_of(), branch_of()
    _, key, index = batch_of(branch)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        branch.update(key.to(dtype), index)
    other.update(key.to(dtype).float(), index)
    for name, value in state_of(other).items():
        assert torch.equal(getattr_path(branch, name), value), name


def getattr_path(module, name):
    return module.state_dict()[name]


@pytest.mark.parametrize('upstream', [65536.0, 2.0**20])
def test_a_loss_scale_beyond_half_precision(upstream):
    """Without this, a GradScaler (which starts at 65,536, while float16 ends
    at 65,504) could turn every gradient into infinity."""
    branch = branch_of()
    query, key, index = batch_of(branch, scale=300.0)
    half = query.detach().half().requires_grad_()
    full = half.detach().float().requires_grad_()
    branch(half, key, index)[0].backward(torch.tensor(upstream))
    branch_of()(full, key, index)[0].backward(torch.tensor(upstream))
    expected = full.grad.half()
    assert expected.isfinite().all()
    assert torch.equal(half.grad, expected)


def test_a_loss_scale_saves_small_gradients():
    """Without this, gradients too small for float16 could be rounded away
    before the loss scale lifts them: what the scale is for."""
    branch = branch_of()
    query, key, index = batch_of(branch, scale=3000.0)
    half = query.detach().half().requires_grad_()
    full = half.detach().float().requires_grad_()
    branch(half, key, index)[0].backward(torch.tensor(2.0**15))
    branch_of()(full, key, index)[0].backward(torch.tensor(2.0**15))
    torch.testing.assert_close(
        half.grad.float(), full.grad, rtol=2e-3, atol=0)


def test_without_gradient_there_is_still_a_loss():
    """Without this, a validation loss under no_grad could fail."""
    branch = branch_of()
    query, key, index = batch_of(branch)
    with torch.no_grad():
        loss, _ = branch(query, key, index)
    assert not loss.requires_grad
    expected, _ = branch_of()(query, key, index)
    assert torch.equal(loss, expected)


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_one_cluster_holds_everything(strategy):
    """Without this, a collapse of the labels could hang the run
    (docs/method.md 10.3) or give NaN."""
    branch = branch_of(strategy=strategy)
    branch.bank.load(labels=torch.full((40, ), 2))
    query, key, index = batch_of(branch)
    loss, _ = branch(query, key, index)
    loss.backward()
    assert loss.item() == 0
    assert query.grad.isfinite().all()


def test_arc_margin_where_the_query_is_its_positive():
    """Without this, a cosine of exactly 1 could put NaN into the network
    (docs/method.md 10.5)."""
    branch = branch_of(loss=dict(margin=0.5, margin_type='arc'))
    labels = torch.arange(40) % 4
    features = torch.eye(6)[torch.arange(40) % 6]
    features[labels == 0] = torch.eye(6)[3]
    branch.bank.load(features=features, labels=labels)
    query = (2 * torch.eye(6)[3]).repeat(2, 1).requires_grad_()
    index = torch.tensor([0, 4])
    drawn = record_pairs(branch)
    loss, _ = branch(query, query.detach(), index)
    loss.backward()
    assert (drawn[0][0].positive_similarity == 1).all()
    assert query.grad.isfinite().all()


# what is stored
def holds(branch, index, keys, before):
    """Whether the bank is what docs/method.md 2.2 makes of these keys."""
    expected = updated_bank(before, index, keys.numpy(), branch.bank.momentum)
    return np.allclose(branch.bank.features, expected, atol=1e-6)


@pytest.mark.parametrize('momentum', [1.0, 0.3])
def test_each_image_gets_its_own_key(momentum):
    """Without this, keys could be stored under other images, for instance in
    the order of MoCo's shuffled batch. The control: keys rolled by one must
    fail the same check."""
    branch = branch_of(momentum=momentum)
    before = branch.bank.features.clone()
    query, key, index = batch_of(branch)
    branch(query, key, index)
    assert holds(branch, index, key, before)
    assert not holds(branch, index, key.roll(1, 0), before)


def test_the_loss_reads_the_bank_before_it_is_written():
    """Without this, an image could be compared with its own new key:
    docs/method.md 2.3 says loss first, so the first step reads the initial
    bank."""
    branch = branch_of()
    # Positives come from the batch itself.
    branch.bank.load(labels=(torch.arange(40) >= 5).long())
    drawn = record_pairs(branch)
    query, key, _ = batch_of(branch)
    index = torch.arange(5)
    loss, _ = branch(query, key, index)
    pairs, bank, labels = drawn[0]
    late = reference_loss(query, pairs, branch.bank.features)
    early = reference_loss(query, pairs, bank)
    assert loss.item() == pytest.approx(early.item(), rel=1e-5)
    assert loss.item() != pytest.approx(late.item(), rel=1e-2)
    assert labels[:5].tolist() == [0] * 5


def test_labels_come_after_the_features():
    """Without this, a label could be that of the key or of the old row,
    where docs/method.md 3.3 says: of the feature after its update."""
    branch = branch_of(momentum=0.5, feat_dim=3)
    eye = torch.eye(3)
    branch.bank.load(
        centroids=torch.stack([
            eye[0], eye[1],
            F.normalize(eye[0] + eye[1], dim=0), -eye[2]
        ]))
    branch.bank.write(torch.tensor([7]), eye[:1], torch.tensor([3]))
    branch.update(5 * eye[1:2], torch.tensor([7]))
    assert branch.bank.labels[7] == 2
    old, new, key = (
        nearest_centroid(row, branch.bank.centroids)
        for row in (eye[0], branch.bank.features[7], eye[1]))
    assert (old, new, key) == (0, 2, 1)


def test_the_centroids_of_a_step_are_the_old_ones():
    """Without this, centroids could move with every batch: they have a
    cadence of their own."""
    branch = branch_of()
    before = branch.bank.centroids.clone()
    branch(*batch_of(branch))
    assert torch.equal(branch.bank.centroids, before)


@pytest.mark.parametrize('momentum', [1.0, 0.5])
def test_a_repeated_image_keeps_its_first_key(momentum):
    """Without this, two views of one image in a batch (a sampler that rounds
    up) leave a row that depends on the device's order of writing."""
    branch = branch_of(momentum=momentum)
    before = branch.bank.features.clone()
    _, key, _ = batch_of(branch)
    index = torch.tensor([7, 9, 7, 0, 9])
    branch.update(key, index)
    assert holds(branch, index, key, before)
    assert branch.bank.labels[7] == nearest_centroid(
        branch.bank.features[7], branch.bank.centroids)


def test_offline_labels_let_the_features_move():
    """Without this, offline labels could stop the bank, or move with it."""
    branch = branch_of(labels=dict(type='OfflineKMeans'))
    before = state_of(branch)
    for seed in range(3):
        features = branch.bank.features.clone()
        query, key, index = batch_of(branch, seed=seed)
        _, statistics = branch(query, key, index)
        branch.after_step()
        assert holds(branch, index, key, features)
        assert statistics['change_ratio'] == 0
    for name in ('bank.labels', 'bank.centroids'):
        assert torch.equal(getattr_path(branch, name), before[name])


def test_change_ratio_is_the_share_of_new_labels():
    """Without this, the log could show another share (docs/method.md 3.3)."""
    branch = branch_of()
    before = branch.bank.labels.clone()
    query, key, index = batch_of(branch, size=16)
    _, statistics = branch(query, key, index)
    changed = branch.bank.labels[index] != before[index]
    assert set(statistics) == {'change_ratio'}
    assert statistics['change_ratio'].item() == pytest.approx(
        changed.float().mean().item())
    assert 0 < changed.sum() < 16


def test_warm_up_stores_what_a_step_would():
    """Without this, warm-up epochs could leave a stale bank: ``update``
    alone has to do all of a step but the loss."""
    branch, other = branch_of(), branch_of()
    query, key, index = batch_of(branch)
    branch(query, key, index)
    other.update(key, index, query)
    for name, value in state_of(other).items():
        assert torch.equal(getattr_path(branch, name), value), name


@pytest.mark.parametrize('kind, made', [('OnlineKMeans', 1),
                                       ('OfflineKMeans', 0)])
def test_sums_are_made_once(monkeypatch, kind, made):
    """Without this, a row that is written behind the sums' back makes each
    step sum up the whole bank: 1.2 against 27 ms at 100,000 rows."""
    from interclr_plugin.inter_image import clustered_bank
    calls = []
    stock = clustered_bank.RunningMeans
    monkeypatch.setattr(clustered_bank, 'RunningMeans',
                        lambda *args: calls.append(1) or stock(*args))
    branch = branch_of(labels=dict(type=kind))
    for step in range(25):
        branch(*batch_of(branch, seed=step))
        branch.after_step()
    assert len(calls) == made


# bad input
BAD = {
    'a NaN query': lambda query, key, index: query[2].fill_(math.nan),
    'an infinite query': lambda query, key, index: query[2, 1:2].fill_(
        math.inf),
    'a NaN key': lambda query, key, index: key[2, 0:1].fill_(math.nan),
    'an infinite key': lambda query, key, index: key[2, 0:1].fill_(-math.inf),
    'a negative index': lambda query, key, index: index[2:3].fill_(-1),
    'an index too large': lambda query, key, index: index[2:3].fill_(40),
}


@pytest.mark.parametrize('what', BAD)
def test_bad_input_stores_nothing_and_names_the_step(what):
    """Without this, one NaN could spread through the bank, or an index
    outside overwrite another image, without a word."""
    branch = branch_of()
    for step in range(1, 3):  # two good steps
        branch(*batch_of(branch, seed=step))
        branch.after_step()
        branch.faults.stop(branch.bank)
    before = state_of(branch)
    query, key, index = batch_of(branch, seed=9)
    query = query.detach()
    BAD[what](query, key, index)
    branch(query.requires_grad_(), key, index)
    for name in ('bank.features', 'bank.labels', 'bank.centroids'):
        assert torch.equal(getattr_path(branch, name), before[name]), name
    # A good step and another bad one: the first bad step is remembered.
    branch(*batch_of(branch, seed=10))
    branch(query, key, index)
    with pytest.raises(ValueError) as error:
        branch.faults.stop(branch.bank)
    for part in ('Step 3:', '[0, 40)', 'optim_wrapper.clip_grad',
                 'sample_idx'):
        assert part in str(error.value)


def test_good_input_raises_no_fault():
    """Without this, a healthy run could be stopped."""
    branch = branch_of()
    branch(*batch_of(branch))
    branch.faults.stop(branch.bank)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_bad_features_for_the_first_clustering_are_counted(value):
    """Without this, k-means over NaN gives one cluster for everything."""
    branch = InterImageBranch(num_clusters=4, feat_dim=6)
    branch.allocate(40, seed=0)
    features = torch.randn(40, 6, generator=seeded())
    features[[3, 8], 0] = value
    with pytest.raises(ValueError) as error:
        branch.fill(features)
    for part in ('2 of 40', 'load_from'):
        assert part in str(error.value)
    assert branch.bank.status == 'empty'


def test_a_bank_without_features_starts_from_random_rows():
    """Without this, a first epoch that fills the bank with keys could start
    from rows of zeros, or from other rows on each process."""
    banks = []
    for _ in range(2):
        branch = InterImageBranch(num_clusters=4, feat_dim=6)
        branch.allocate(40, seed=0)
        branch.fill()
        banks.append(branch.bank.features.clone())
        assert branch.bank.status == 'filled'
        branch.update(*batch_of(branch)[1:])  # works before the clustering
        branch.faults.stop(branch.bank)
        branch.first_clustering()
        assert branch.bank.status == 'clustered'
        assert branch.bank.sizes().min() >= 1
    assert torch.equal(*banks)
    np.testing.assert_allclose(banks[0].norm(dim=1), 1, atol=1e-6)
    assert len(banks[0].unique(dim=0)) == 40


def test_without_the_hook_the_line_to_add_is_printed():
    """Without this, a forgotten hook could train on an empty bank."""
    branch = InterImageBranch(num_clusters=4, feat_dim=6)
    query = torch.randn(2, 6)
    for step in (lambda: branch(query, query, torch.arange(2)),
                 lambda: branch.update(query, torch.arange(2))):
        with pytest.raises(RuntimeError) as error:
            step()
        assert "custom_hooks = [dict(type='MemoryBankHook')]" in str(
            error.value)


def test_a_wrong_number_of_images_is_named():
    """Without this, a configured N unlike the data set's gives an index
    error (docs/method.md 10.10)."""
    branch = InterImageBranch(num_clusters=4, feat_dim=6, num_images=39)
    with pytest.raises(ValueError) as error:
        branch.allocate(40, seed=0)
    for part in ('num_images=39', '40 images',
                 'inter_image=dict(num_images=...)'):
        assert part in str(error.value)
    InterImageBranch(
        num_clusters=4, feat_dim=6, num_images=40).allocate(40, seed=0)


# state
@pytest.mark.parametrize('strategy', STRATEGIES)
def test_a_resumed_branch_goes_on_to_the_bit(strategy):
    """Without this, a resume could lose the bank, the labels, the step or
    the random numbers (docs/method.md 10.8)."""
    options = dict(strategy=strategy, momentum=0.7)

    def train(branch, steps):
        losses = []
        for step in steps:
            query, key, index = batch_of(branch, size=12, seed=step)
            losses.append(branch(query, key, index)[0].item())
            branch.after_step()
        return losses

    whole, first = branch_of(**options), branch_of(**options)
    expected = train(whole, range(15))
    head = train(first, range(7))
    second = InterImageBranch(
        num_clusters=4,
        feat_dim=6,
        bank=dict(momentum=0.7),
        labels=dict(min_cluster_size=3),
        sampler=dict(strategy=strategy, num_negatives=8, pool_fraction=0.5))
    second.allocate(40, seed=77)
    assert second.bank.status == 'empty'
    second.load_state_dict(first.state_dict())
    assert second.bank.status == 'clustered'
    assert head + train(second, range(7, 15)) == expected
    for name, value in state_of(whole).items():
        assert torch.equal(getattr_path(second, name), value), name


def test_the_same_seed_gives_the_same_branch():
    """Without this, a run could not be repeated."""
    one, two = branch_of(), branch_of()
    for step in range(3):
        losses = [
            branch(*batch_of(branch, seed=step))[0] for branch in (one, two)
        ]
        assert torch.equal(*losses)
    for name, value in state_of(one).items():
        assert torch.equal(getattr_path(two, name), value), name


# any order of events
@settings(max_examples=40)
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(['step', 'update', 'repair', 'centroids']),
            st.integers(0, 10**6)),
        max_size=8),
    num_images=st.integers(6, 24),
    num_clusters=st.integers(2, 5),
    strategy=st.sampled_from(STRATEGIES),
    momentum=st.sampled_from([0.4, 1.0]))
def test_any_order_of_events_keeps_the_rules(events, num_images, num_clusters,
                                             strategy, momentum):
    """Without this, an order of updates, repairs and centroid updates that
    nobody thought of could break a row, a label or a pair."""
    branch = branch_of(
        num_images,
        num_clusters,
        3,
        strategy,
        num_negatives=max(1, num_images // 3),
        momentum=momentum,
        labels=dict(min_cluster_size=num_images // num_clusters // 2))
    drawn = record_pairs(branch)
    for event, seed in events:
        # Small scales and repeated images happen too.
        query, key, _ = batch_of(branch, size=4, seed=seed, scale=1e-3)
        index = torch.randint(num_images, (4, ), generator=seeded(seed))
        if event == 'step':
            loss, _ = branch(query, key, index)
            loss.backward()
            assert loss.isfinite() and loss >= 0
            assert query.grad.isfinite().all()
            check_labels_of_pairs(drawn.pop(), index)
            branch.after_step()
        elif event == 'update':
            branch.update(key, index)
            for image in index.tolist():
                row = branch.bank.features[image]
                assert branch.bank.labels[image] == nearest_centroid(
                    row, branch.bank.centroids)
        elif event == 'repair':
            branch.labels.repair_small_clusters(branch.bank, seeded(seed))
            assert branch.bank.sizes().min() >= 1
        else:
            branch.bank.renew_centroids()
        branch.faults.stop(branch.bank)
        labels = branch.bank.labels.tolist()
        assert 0 <= min(labels) and max(labels) < num_clusters
        sizes = cluster_sizes(labels, num_clusters)
        assert branch.bank.sizes().tolist() == sizes
        assert sum(sizes) == num_images
        np.testing.assert_allclose(
            branch.bank.features.norm(dim=1), 1, atol=1e-5)
        assert branch.bank.centroids.isfinite().all()
    assert branch.bank.random.step == sum(
        event in ('step', 'update') for event, _ in events)


def check_labels_of_pairs(step, index):
    pairs, _, labels = step
    labels = labels.tolist()
    for b, image in enumerate(index.tolist()):
        assert pairs.positive[b].item() in positives(labels, image)
        chosen = pairs.negatives[b][pairs.valid[b]].tolist()
        assert set(chosen) <= negatives(labels, image)
        assert len(set(chosen)) == len(chosen)


def test_rows_stay_unit_where_a_key_opposes_its_row():
    """Without this, a blend of opposite directions could leave a row far
    from unit length."""
    branch = branch_of(momentum=0.4)
    row = branch.bank.features[3].clone()
    branch.update(-2 * row.unsqueeze(0), torch.tensor([3]))
    np.testing.assert_allclose(branch.bank.features[3], unit(row), atol=1e-5)


@pytest.mark.parametrize('strategy',
                         ['semi-hard', 'hard', 'random', 'semi-easy'])
@pytest.mark.parametrize('pool', ['exact', 'candidates'])
@pytest.mark.parametrize('at_once', [1, 3, 5, 99])
def test_parts_of_a_batch_give_the_same_loss(strategy, pool, at_once):
    """Without it the option that bounds memory could change the method."""
    found = []
    for queries_at_once in (None, at_once):
        branch = InterImageBranch(
            num_clusters=5,
            feat_dim=6,
            sampler=dict(
                strategy=strategy,
                pool=pool,
                num_negatives=8,
                pool_fraction=0.5),
            queries_at_once=queries_at_once)
        branch.allocate(60, seed=1)
        branch.fill()
        branch.first_clustering()
        draw = torch.Generator().manual_seed(2)
        query, key = torch.randn(2, 7, 6, generator=draw)
        query.requires_grad_()
        loss, _ = branch(query, key, torch.arange(7) * 8)
        loss.backward()
        found.append((loss.detach(), query.grad))
    for whole, parts in zip(*found):
        torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
@pytest.mark.parametrize('pool', ['exact', 'candidates'])
@pytest.mark.parametrize('strategy', ['semi-hard', 'hard', 'random'])
def test_a_bank_in_half_precision(dtype, pool, strategy):
    """Without it half of the memory could cost more than rounded rows: the
    branch gives what a float32 bank of the same rounded rows gives."""
    draw = torch.Generator().manual_seed(2)
    start = F.normalize(torch.randn(60, 6, generator=draw), dim=1)
    batches = torch.randn(6, 2, 7, 6, generator=draw)
    half = getattr(torch, dtype)
    found = []
    for bank in (dtype, 'float32'):
        branch = InterImageBranch(
            num_clusters=5,
            feat_dim=6,
            bank=dict(dtype=bank),
            labels=dict(min_cluster_size=4, centroid_interval=2),
            sampler=dict(
                strategy=strategy,
                pool=pool,
                num_negatives=8,
                pool_fraction=0.5))
        branch.allocate(60, seed=1)
        branch.fill(start.clone())
        # As if it had been rounded: the only difference there shall be.
        branch.bank.load(features=branch.bank.features.to(half))
        branch.first_clustering()
        losses = []
        for number, (query, key) in enumerate(batches.clone()):
            query.requires_grad_()
            index = (torch.arange(7) * 8 + number) % 60
            loss, _ = branch(query, key, index)
            loss.backward()
            branch.bank.load(features=branch.bank.features.to(half))
            branch.after_step()
            losses.append(torch.cat((loss.detach()[None],
                                     query.grad.flatten())))
        found.append((torch.stack(losses), branch))
    torch.testing.assert_close(
        found[0][0], found[1][0], atol=1e-5, rtol=1e-4)
    ours, theirs = (branch for _, branch in found)
    assert ours.bank.features.dtype == half
    assert ours.bank.features.element_size() == 2
    assert torch.equal(ours.bank.labels, theirs.bank.labels)
    torch.testing.assert_close(ours.bank.centroids, theirs.bank.centroids)
    assert ours.bank.centroids.dtype == torch.float32

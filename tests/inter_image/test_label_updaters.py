"""Online k-means: labels, centroids, cadences (docs/method.md 3)."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from reference import (
    cluster_sizes,
    dissolved,
    largest_smallest_piece,
    means,
    members_of,
    nearest_centroid,
)
from reference import unit_rows as unit_rows_of

from interclr_plugin.inter_image import (
    ClusteredBank,
    OfflineKMeans,
    OnlineKMeans,
    kmeans,
    label_updaters,
)
from interclr_plugin.inter_image.members import Members
from interclr_plugin.inter_image.rows import Rows


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def unit_rows(num_rows, feat_dim=6, seed=0):
    rows = torch.randn(num_rows, feat_dim, generator=seeded(seed))
    return F.normalize(rows, dim=1)


def online(num_images=60, num_clusters=5, **arguments):
    labels = OnlineKMeans(num_clusters=num_clusters, **arguments)
    labels.allocate(num_images)
    return labels


def bank_of(features, num_clusters=5, **tensors):
    bank = ClusteredBank(
        num_clusters=num_clusters, feat_dim=features.shape[1])
    bank.allocate(len(features), seed=0)
    bank.load(features=features, **tensors)
    return bank


def with_sizes(sizes, seed=0, min_cluster_size=5, **arguments):
    """Labels in which cluster c has sizes[c] members, and their bank."""
    draw = seeded(seed)
    numbers = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    numbers = numbers[torch.randperm(len(numbers), generator=draw)]
    state = online(
        len(numbers),
        len(sizes),
        min_cluster_size=min_cluster_size,
        **arguments)
    return state, bank_of(
        unit_rows(len(numbers), seed=seed),
        len(sizes),
        labels=numbers,
        centroids=torch.randn(len(sizes), 6, generator=draw))


# every step
@pytest.mark.parametrize('geometry', ['plain', 'spherical'])
def test_labels_of_a_batch(geometry):
    """Without this, the online labels could take another centroid than that
    with the largest product, or be stored for other images."""
    state = online(geometry=geometry)
    compared = torch.randn(5, 6, generator=seeded(1))
    compared[2] *= 9
    bank = bank_of(
        unit_rows(60),
        labels=torch.zeros(60, dtype=torch.long),
        centroids=compared)
    if geometry == 'spherical':
        compared = unit_rows_of(compared)
    rows = unit_rows(8)
    index = torch.tensor([5, 59, 0, 17, 3, 4, 8, 30])
    labels = state.assign(bank, index, rows)
    assert labels.tolist() == [
        nearest_centroid(row, compared) for row in rows
    ]
    assert not bank.labels.any()  # computing stores nothing
    changed = bank.write(index, rows, labels)
    assert torch.equal(bank.labels[index], labels)
    others = [i for i in range(60) if i not in index]
    assert not bank.labels[others].any()
    # All labels were 0.
    assert changed.item() == pytest.approx((labels != 0).float().mean())
    assert bank.write(index, rows, labels).item() == 0


# centroids
def test_all_centroids_become_the_means():
    """Without this, centroids could be re-normalised, or an empty cluster's
    be lost; docs/method.md 2.1 says plain means."""
    _, bank = with_sizes([20, 0, 25, 15, 0], min_cluster_size=0)
    old = bank.centroids.clone()
    bank.renew_centroids()
    np.testing.assert_allclose(
        bank.centroids,
        means(bank.features, bank.labels.tolist(), old),
        atol=1e-6)
    assert torch.equal(bank.centroids[[1, 4]], old[[1, 4]])
    assert (bank.centroids[[0, 2, 3]].norm(dim=1) < 0.9).all()


# small clusters
def check_repair(state, bank):
    """Repair and compare with docs/method.md 3.4."""
    least, features = state.min_cluster_size, bank.features
    num_clusters = state.num_clusters
    old_labels = bank.labels.tolist()
    old_centroids = bank.centroids.clone()
    sizes = cluster_sizes(old_labels, num_clusters)
    small = [c for c, size in enumerate(sizes) if size < max(least, 1)]
    state.repair_small_clusters(bank, seeded(3))

    labels = bank.labels.tolist()
    new_sizes = cluster_sizes(labels, num_clusters)
    assert sum(new_sizes) == len(features)
    assert bank.sizes().tolist() == new_sizes
    assert min(new_sizes) >= max(least, 1)
    if not small:
        assert labels == old_labels
        assert torch.equal(bank.centroids, old_centroids)
        return

    # Dissolved members went to the nearest centroid that is not small; from
    # there only whole pieces moved on, into the clusters that were small.
    middle = dissolved(features, old_labels, old_centroids, least,
                       state.geometry == 'spherical')
    assert state.num_repaired == sum(
        old in small or new != between
        for old, between, new in zip(old_labels, middle, labels))
    came_from = {}
    for between, new in zip(middle, labels):
        if new in small:
            came_from.setdefault(new, set()).add(between)
        else:
            assert new == between
    assert sorted(came_from) == small
    assert all(len(donors) == 1 for donors in came_from.values())
    cut = set.union(*came_from.values())
    middle_sizes = cluster_sizes(middle, num_clusters)
    pieces = [new_sizes[c] for c in [*small, *cut]]
    if max(middle_sizes) <= 12 and num_clusters <= 4:
        assert min(pieces) == largest_smallest_piece(middle_sizes,
                                                     len(small))

    # Clusters whose members changed got the mean; the others nothing.
    expected = means(features, labels, old_centroids)
    for c in range(num_clusters):
        if members_of(labels, c) == members_of(old_labels, c):
            assert torch.equal(bank.centroids[c], old_centroids[c])
        else:
            np.testing.assert_allclose(
                bank.centroids[c], expected[c], atol=1e-6)


@pytest.mark.parametrize('sizes', [
    [30, 3, 20, 17, 30],
    [30, 0, 20, 20, 30],
    [96, 1, 1, 1, 1],
    [96, 0, 4, 0, 0],
    [20, 20, 20, 20, 20],
    [5, 5, 80, 5, 5],
    [4, 5, 82, 5, 4],
])
@pytest.mark.parametrize('geometry', ['plain', 'spherical'])
def test_small_clusters_are_dissolved_and_refilled(sizes, geometry):
    """Without this, members could go to a small cluster, clusters stay
    empty, or centroids stay stale (docs/method.md 10.6)."""
    for seed in range(3):
        check_repair(*with_sizes(sizes, seed, geometry=geometry))


@given(
    sizes=st.lists(st.integers(0, 12), min_size=2, max_size=4).filter(sum),
    share=st.floats(0, 1),
    seed=st.integers(0, 9))
def test_any_state_is_repaired(sizes, share, seed):
    """Without this, some sizes could raise, as the released code does where
    all clusters are small (docs/method.md 10.6)."""
    least = int(share * sum(sizes) / len(sizes) / 2)
    if sum(sizes) < len(sizes):
        return
    check_repair(*with_sizes(sizes, seed, least))


def test_a_repaired_state_stays_as_it_is():
    """Without this, one repair could leave small clusters behind, and the
    same images would move at every step."""
    state, bank = with_sizes([1, 2, 60, 3, 94], min_cluster_size=16)
    check_repair(state, bank)
    assert bank.sizes().min() >= 16
    labels = bank.labels.clone()
    centroids = bank.centroids.clone()
    state.repair_small_clusters(bank, seeded(4))
    assert torch.equal(bank.labels, labels)
    assert torch.equal(bank.centroids, centroids)


def test_minimum_size_0_still_refills_empty_clusters():
    """Without this, ``min_cluster_size=0`` could leave empty clusters."""
    state, bank = with_sizes([0, 60, 1, 0, 1], min_cluster_size=0)
    check_repair(state, bank)
    assert bank.sizes().min() >= 1


def test_identical_features_are_repaired():
    """Without this, a collapsed network could stop the run here instead of
    showing in the log."""
    state, bank = with_sizes([57, 0, 1, 0, 2])
    bank.load(features=bank.features[:1].expand(60, -1))
    state.repair_small_clusters(bank, seeded())
    assert bank.sizes().min() >= 5
    assert bank.centroids.isfinite().all()


# cadence
def test_after_step_keeps_the_cadence(monkeypatch):
    """Without this, a cadence could be off by one or one interval rule
    both; repair comes before the centroids."""
    done = []
    monkeypatch.setattr(ClusteredBank, 'renew_centroids',
                        lambda self, *args: done.append((step, 'centroids')))
    monkeypatch.setattr(OnlineKMeans, 'repair_small_clusters',
                        lambda self, *args: done.append((step, 'repair')))
    state = online(centroid_interval=4, small_cluster_interval=2)
    for step in range(1, 9):
        state.after_step(bank_of(unit_rows(60)), step, seeded())
    assert done == [(2, 'repair'), (4, 'repair'), (4, 'centroids'),
                    (6, 'repair'), (8, 'repair'), (8, 'centroids')]


def test_the_released_cadence_is_the_default():
    """Without this, a default could drift from the released recipe."""
    state = OnlineKMeans(num_clusters=10000)
    state.allocate(1281167)
    assert (state.centroid_interval, state.small_cluster_interval) == (10, 1)
    assert state.min_cluster_size == 20
    # 20 of 128 on average, where the average is smaller.
    assert online(1500, 50).min_cluster_size == round(20 / 128 * 30) == 5
    assert online(10, 10).min_cluster_size == 0


# offline
def test_offline_labels_stay_between_clusterings():
    """Without this, offline labels could move with the batches, or be
    clustered in other epochs than docs/method.md 3.5 says."""
    state = OfflineKMeans(num_clusters=5, interval=3)
    state.allocate(60)
    bank = bank_of(unit_rows(60))
    state.first_clustering(bank, seeded())
    labels, centroids = bank.labels.clone(), bank.centroids.clone()
    index = torch.tensor([5, 59, 0])
    assert torch.equal(
        state.assign(bank, index, unit_rows(3, seed=1)), labels[index])
    for step in range(1, 21):
        state.after_step(bank, step, seeded())
    assert torch.equal(bank.labels, labels)
    assert torch.equal(bank.centroids, centroids)
    due = [epoch for epoch in range(1, 10) if state.wants_clustering(epoch)]
    assert due == [3, 6, 9]
    assert not any(map(online().wants_clustering, range(10)))
    assert state.statistics(bank)['clusters/small'] == 0


# the rest
@pytest.mark.parametrize('geometry', ['plain', 'spherical'])
def test_first_clustering_has_means_and_no_empty_cluster(geometry):
    """Without this, training could start from a clustering whose centroids
    belong to other labels."""
    state = online(geometry=geometry)
    bank = bank_of(unit_rows(60))
    rounds = []
    state.first_clustering(bank, seeded(), lambda: rounds.append(1))
    assert bank.status == 'clustered'
    assert bank.sizes().min() >= 1
    assert len(rounds) == 20
    np.testing.assert_allclose(
        bank.centroids,
        means(bank.features, bank.labels.tolist(), np.zeros((5, 6))),
        atol=1e-6)


def test_the_first_clustering_has_the_geometry_too():
    """Without this, labels that are compared by the angle could start from a
    k-means by distance."""
    features = unit_rows(60)
    found = []
    for geometry in ('plain', 'spherical'):
        state, bank = online(geometry=geometry), bank_of(features)
        state.first_clustering(bank, seeded(4))
        labels, _ = kmeans.fit(Rows(features), 5, seeded(4), geometry=geometry)
        assert torch.equal(bank.labels, labels)
        found.append(labels)
    assert not torch.equal(*found)


def test_statistics_count():
    """Without this, the log could show other clusters than there are."""
    state, bank = with_sizes([30, 4, 20, 0, 46])
    assert state.statistics(bank) == {
        'clusters/smallest': 0,
        'clusters/largest': 46,
        'clusters/small': 2
    }


@pytest.mark.parametrize('argument, least', [
    (dict(num_clusters=1), 2),
    (dict(num_clusters=0), 2),
    (dict(min_cluster_size=-1), 0),
    (dict(centroid_interval=0), 1),
    (dict(small_cluster_interval=0), 1),
])
def test_a_bad_argument_is_named(argument, least):
    """Without this, an interval of 0 gives a division error in the middle
    of a run, without a line to change."""
    (name, value), = argument.items()
    with pytest.raises(ValueError) as error:
        OnlineKMeans(**dict(dict(num_clusters=5), **argument))
    for part in (f'{name}={value}', f'at least {least}', 'inter_image=dict('):
        assert part in str(error.value)


def test_a_bad_offline_interval_is_named():
    """Without this, an interval of 0 gives a division error after the first
    epoch."""
    with pytest.raises(ValueError, match='interval=0 must be at least 1'):
        OfflineKMeans(num_clusters=5, interval=0)


def test_an_unknown_geometry_is_named():
    """Without this, a mistyped name could mean the default."""
    with pytest.raises(ValueError) as error:
        online(geometry='cosine')
    for part in ("geometry='cosine'", "'plain', 'spherical'",
                 'inter_image=dict(labels=dict(geometry=...))'):
        assert part in str(error.value)


def test_more_clusters_than_images_are_named():
    """Without this, the first clustering fails with a raw index error."""
    with pytest.raises(ValueError) as error:
        online(num_images=4)
    for part in ('num_clusters=5', '2 to 4',
                 'inter_image=dict(num_clusters=...)'):
        assert part in str(error.value)


def test_a_minimum_above_half_of_the_average_is_named():
    """Without this, small clusters would be left, and every repair would
    relabel many of the images, for ever (docs/method.md 10.6)."""
    with pytest.raises(ValueError) as error:
        online(min_cluster_size=7)
    for part in ('min_cluster_size=7', '0 to 6',
                 'inter_image=dict(labels=dict(min_cluster_size=...))'):
        assert part in str(error.value)
    online(min_cluster_size=6)


def test_a_large_repair_is_spread_over_steps(monkeypatch):
    """Without this, a step in which 1 % of 100,000 clusters are small takes
    as long as hundreds of others."""
    sizes = [40, 3, 30, 0, 4, 60, 1, 50]
    state, bank = with_sizes(sizes)
    cost = [size + 8 for size in sizes]
    limit = 8 * (cost[3] + cost[6] + cost[1])
    monkeypatch.setattr(label_updaters, '_MOST_COMPARED', limit)
    state.repair_small_clusters(bank, seeded(3))
    # The smallest first; no other small cluster lost or gained a member.
    assert (bank.sizes() < 5).nonzero().flatten().tolist() == [4]
    assert bank.sizes()[4] == 4
    means_now = means(bank.features, bank.labels.tolist(), bank.centroids)
    np.testing.assert_allclose(
        bank.centroids[[1, 3, 6]], means_now[[1, 3, 6]], atol=1e-6)
    state.repair_small_clusters(bank, seeded(4))
    assert bank.sizes().min() >= 5
    # However little may be done at once, one cluster is.
    state, bank = with_sizes(sizes)
    monkeypatch.setattr(label_updaters, '_MOST_COMPARED', 1)
    for left in (3, 2, 1, 0):
        state.repair_small_clusters(bank, seeded(left))
        assert (bank.sizes() < 5).sum() == left


def test_a_collapsed_cluster_is_repaired_a_part_at_a_time(monkeypatch):
    """Without it one step of a collapsed network works on all images."""
    monkeypatch.setattr(label_updaters, '_MOST_CUT', 60)
    sizes = [300, 3, 0, 20, 0, 8]
    state, bank = with_sizes(sizes)
    before = bank.labels.clone()
    state.repair_small_clusters(bank, seeded(3))
    assert bank.sizes().min() >= 5
    # 60 // 4 of each of four pieces, the first of which stays; and 3 more.
    moved = (bank.labels != before).nonzero().flatten()
    assert len(moved) <= 45 + 3 and bank.sizes()[0] >= 300 - 45
    np.testing.assert_allclose(
        bank.centroids,
        means(bank.features, bank.labels.tolist(), bank.centroids),
        atol=1e-6)
    anew = Members(bank.labels)
    every = torch.arange(6)
    assert torch.equal(bank.members.of(every, bank.labels),
                       anew.of(every, bank.labels))
    assert torch.equal(bank.sums.sizes, bank.sizes())

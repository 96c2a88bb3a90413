"""The arithmetic of k-means."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import (
    cluster_sizes,
    largest_smallest_piece,
    lloyd,
    means,
    nearest_centroid,
)
from sklearn.cluster import KMeans

from interclr_plugin.inter_image import kmeans, splitting
from interclr_plugin.inter_image.rows import Rows


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def unit_rows(num_rows, feat_dim=6, seed=0):
    rows = torch.randn(num_rows, feat_dim, generator=seeded(seed))
    return F.normalize(rows, dim=1)


def blobs(num_rows=600, num_blobs=15, feat_dim=8, seed=0):
    """Clouds that overlap a little, as features of a network do."""
    draw = seeded(seed)
    centres = torch.randn(num_blobs, feat_dim, generator=draw)
    which = torch.randint(num_blobs, (num_rows, ), generator=draw)
    noise = torch.randn(num_rows, feat_dim, generator=draw)
    return F.normalize(centres[which] + 0.6 * noise, dim=1)


def cost(features, labels):
    """Sum of squared distances to the means, in float64."""
    features = features.double().numpy()
    centres = means(features, labels.tolist(),
                    np.zeros((int(labels.max()) + 1, features.shape[1])))
    return ((features - centres[labels])**2).sum()


# assign
def test_assign_takes_the_largest_product():
    """Without this, distances could be minimised with a sign wrong, or a
    chunk lose its place."""
    features = unit_rows(50)
    centroids = torch.randn(7, 6, generator=seeded(1))
    expected = [nearest_centroid(row, centroids) for row in features]
    assert kmeans.assign(features, centroids).tolist() == expected


def test_the_first_of_equal_products_is_taken():
    """Without it labels could differ between devices where centroids are
    alike, as those of images that are there twice."""
    centroids = torch.randn(7, 6, generator=seeded(1)).repeat(5, 1)
    found = kmeans.assign(unit_rows(50), centroids)
    assert found.tolist() == [
        nearest_centroid(row, centroids[:7]) for row in unit_rows(50)
    ]


@pytest.mark.parametrize('rows, elements', [
    (1, 1), (1, 21), (1, 22), (32, 1), (8, 24), (32, 64), (32, 10**6)
])
def test_assign_in_chunks_is_the_same(monkeypatch, rows, elements):
    """Without this, a bank that needs several chunks of rows or centroids
    could come out in another order, or with another of equal products."""
    # Whole numbers, whose products are exact, and many of them equal.
    features, centroids = (
        torch.randint(-3, 4, size, generator=seeded(1)).float()
        for size in ((50, 6), (14, 6)))
    bias = torch.randint(-3, 4, (14, ), generator=seeded(2)).float()
    monkeypatch.setattr(kmeans, '_CHUNK_ROWS', rows)
    monkeypatch.setattr(kmeans, '_CHUNK_ELEMENTS', elements)
    for added in (None, bias):
        products = (features @ centroids.t()).numpy()
        if added is not None:
            products = products + added.numpy()
        found = kmeans.assign(features, centroids, bias=added)
        assert found.tolist() == products.argmax(1).tolist()


def test_assign_keeps_to_the_allowed():
    """Without this, homeless images could go to a small cluster again."""
    features = unit_rows(50)
    centroids = torch.randn(7, 6, generator=seeded(1))
    allowed = torch.tensor([0, 1, 0, 0, 1, 1, 0], dtype=torch.bool)
    expected = [
        nearest_centroid(row, centroids, {1, 4, 5}) for row in features
    ]
    got = kmeans.assign(features, centroids, allowed=allowed)
    assert got.tolist() == expected


def test_assign_with_the_bias_is_the_nearest_in_euclidean_distance():
    """Without this, ``fit`` could be another algorithm than k-means."""
    features = unit_rows(50)
    centroids = torch.randn(7, 6, generator=seeded(1))
    got = kmeans.assign(
        features, centroids, bias=-0.5 * centroids.square().sum(1))
    assert torch.equal(got, torch.cdist(features, centroids).argmin(1))


# means_of_members
def test_means_equal_a_loop_over_clusters():
    """Without this, sums could be divided by another cluster's size, or an
    empty cluster lose its centroid."""
    features = unit_rows(40)
    labels = torch.randint(0, 9, (40, ), generator=seeded(1))
    labels[labels == 4] = 5  # one in the middle and two at the end empty
    old = torch.randn(11, 6, generator=seeded(2))
    got = kmeans.means_of_members(Rows(features), labels, old)
    np.testing.assert_allclose(
        got, means(features, labels.tolist(), old), atol=1e-6)
    assert torch.equal(got[[4, 9, 10]], old[[4, 9, 10]])


# apportion
@settings(max_examples=150)
@given(
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    share=st.floats(0.01, 1))
def test_apportion_makes_the_smallest_piece_as_large_as_can_be(sizes, share):
    """Without this, a repair could leave clusters smaller than need be,
    which would be small again at the next step."""
    most = sum(max(size - 1, 0) for size in sizes)
    if not most:
        return
    count = max(1, round(share * most))
    cuts = splitting.apportion(torch.tensor(sizes), count).tolist()
    assert sum(cuts) == count
    assert min(cuts) >= 0
    pieces = [s // (k + 1) for s, k in zip(sizes, cuts) if k]
    assert min(pieces) == largest_smallest_piece(sizes, count)


def test_apportion_cuts_the_largest_first():
    """Without this, one cut might hit another than the largest cluster,
    which docs/method.md 3.4 asks for."""
    sizes = torch.tensor([30, 80, 50, 79])
    assert splitting.apportion(sizes, 1).tolist() == [0, 1, 0, 0]
    assert splitting.apportion(sizes, 2).tolist() == [0, 1, 0, 1]
    # Their halves are alike, as the smaller half counts.
    for sizes in ([80, 81], [81, 80]):
        cuts = splitting.apportion(torch.tensor(sizes), 1).tolist()
        assert cuts == [int(size == 81) for size in sizes]


# principal_axes
def test_axes_explain_what_an_eigenvector_explains():
    """Without this, clusters could be cut along a direction of no
    importance, or groups be mixed up."""
    spread = torch.tensor([2.0, 1.0, 0.5, 0.2])
    turns = [
        torch.linalg.qr(torch.randn(4, 4, generator=seeded(i)))[0]
        for i in range(3)
    ]
    group = torch.randint(0, 3, (300, ), generator=seeded(3))
    rows = torch.randn(300, 4, generator=seeded(4)) * spread
    rows = torch.stack([row @ turns[g] for row, g in zip(rows, group)]) + 5
    members = torch.argsort(group, stable=True)
    sizes = torch.bincount(group)
    axes = splitting.principal_axes(Rows(rows), members, sizes, seeded(5))
    for g in range(3):
        mine = rows[group == g].double()
        largest = np.linalg.eigvalsh(np.cov(mine.numpy().T))[-1]
        assert float(axes[g].norm()) == pytest.approx(1, abs=1e-5)
        got = mine @ axes[g].double()
        assert float(got.var()) == pytest.approx(largest, rel=0.01)


# refill
def refill_case(labels, num_clusters, features=None, seed=0):
    labels = torch.tensor(labels)
    if features is None:
        features = unit_rows(len(labels))
    rows, numbers = splitting.refill(
        Rows(features), labels, torch.bincount(labels, minlength=num_clusters),
        seeded(seed))
    return labels, labels.index_copy(0, rows, numbers)


def check_refilled(before, after, num_clusters):
    """What must hold after any refill."""
    sizes = cluster_sizes(before.tolist(), num_clusters)
    new_sizes = cluster_sizes(after.tolist(), num_clusters)
    empty = [c for c, size in enumerate(sizes) if not size]
    assert min(new_sizes) >= 1
    assert sum(new_sizes) == len(before)
    # Who moved went to an empty cluster, and each takes from one donor.
    donors = {}
    for old, new in zip(before.tolist(), after.tolist()):
        if old != new:
            assert new in empty
            donors.setdefault(new, set()).add(old)
    assert sorted(donors) == empty
    assert all(len(each) == 1 for each in donors.values())
    if not empty:
        return
    # Pieces of one donor differ by one member at most.
    floor = min(new_sizes[c] for c in empty)
    for donor in set.union(*donors.values()):
        pieces = [new_sizes[donor]] + [
            new_sizes[c] for c, each in donors.items() if donor in each
        ]
        assert max(pieces) - min(pieces) <= 1
        assert min(pieces) >= floor
    count = len(empty)
    cuts = [sum(d == {c} for d in donors.values()) for c in range(len(sizes))]
    assert sum(cuts) == count


@settings(max_examples=60)
@given(
    labels=st.lists(st.integers(0, 5), min_size=6, max_size=24),
    seed=st.integers(0, 9),
    alike=st.booleans())
def test_refill_leaves_no_cluster_empty(labels, seed, alike):
    """Without this, empty clusters could remain, or rows of clusters that
    were not cut could move; identical features must be cut as well."""
    features = unit_rows(len(labels), seed=seed)
    if alike:
        features = features[:1].expand(len(labels), -1)
    before, after = refill_case(labels, 6, features, seed)
    check_refilled(before, after, 6)


def test_refill_reaches_the_best_smallest_piece():
    """Without this, pieces could be smaller than :func:`apportion`
    promised."""
    labels = [0] * 11 + [1] * 7 + [2] * 2
    before, after = refill_case(labels, 6)
    check_refilled(before, after, 6)
    pieces = sorted(cluster_sizes(after.tolist(), 6))
    assert largest_smallest_piece([11, 7, 2], 3) == 3
    assert pieces == [2, 3, 3, 4, 4, 4]


@pytest.mark.parametrize(('most', 'least', 'counts'), [
    (40, 1, (25, 10)),  # 40 // 7 for each of five and two pieces
    (5, 3, (15, 6)),
    (53, 1, (37, 16)),
])
def test_a_refill_of_huge_clusters_cuts_a_part_of_them(most, least, counts):
    """Without it a step with a collapsed cluster could look at all images,
    or leave pieces that are small again."""
    labels = torch.tensor([0] * 37 + [3] * 9 + [5] * 16)
    labels = labels[torch.randperm(len(labels), generator=seeded(2))]
    features = unit_rows(len(labels), seed=4)
    images, numbers = splitting.refill(
        Rows(features), labels, torch.bincount(labels, minlength=8),
        seeded(7), None, None, most, least)
    # What it does where there are no others than evenly spaced members.
    kept = (labels == 3).nonzero().flatten().tolist()[:1]
    for donor, count in zip((0, 5), counts):
        its = (labels == donor).nonzero().flatten().tolist()
        kept += [its[j * len(its) // count] for j in range(count)]
    kept = torch.tensor(kept).sort().values
    alone, expected = splitting.refill(
        Rows(features[kept]), labels[kept],
        torch.bincount(labels[kept], minlength=8), seeded(7))
    assert torch.equal(images, kept[alone])
    assert torch.equal(numbers, expected)
    assert torch.bincount(numbers, minlength=8)[[0, 1, 2, 4, 5, 6, 7]].min(
    ) >= min(counts[0] // 5, counts[1] // 2)


def test_refill_cuts_between_two_clouds():
    """Without this, halves could be drawn without a look at the features."""
    near = 0.05 * torch.randn(40, 6, generator=seeded(1))
    sides = torch.tensor([1.0, -1.0]).repeat(20)
    features = near + sides.unsqueeze(1) * torch.eye(6)[2]
    _, after = refill_case([1] * 40, 2, features)
    ours = after[0::2].unique()
    theirs = after[1::2].unique()
    assert len(ours) == len(theirs) == 1
    assert ours.item() != theirs.item()


def test_refill_returns_full_clusters_as_they_are():
    """Without this, a repair could move images although no cluster is
    empty."""
    before, after = refill_case([0, 1, 2, 2, 2, 2], 3)
    assert torch.equal(before, after)


# fit
@pytest.mark.parametrize('seed', range(3))
def test_fit_equals_lloyd_from_the_same_start(seed):
    """Without this, the rounds could be something else than assignment and
    means; scikit-learn runs the same rounds from the same start."""
    features = blobs(seed=seed)
    num_clusters = 5
    start = torch.randperm(len(features), generator=seeded(seed))
    theirs = KMeans(
        num_clusters,
        init=features[start[:num_clusters]].numpy(),
        n_init=1,
        max_iter=60,
        tol=0).fit(features.numpy())
    labels, centroids = kmeans.fit(
        Rows(features), num_clusters, seeded(seed), iterations=60)
    assert (labels.numpy() == theirs.labels_).all()
    np.testing.assert_allclose(
        centroids, theirs.cluster_centers_, atol=1e-5)


@pytest.mark.parametrize('geometry', ['plain', 'spherical'])
def test_fit_equals_a_loop_in_either_geometry(geometry):
    """Without this, the spherical rounds could compare with plain means, or
    return unit centroids: the buffer holds plain means in both."""
    features = blobs(200)
    start = torch.randperm(len(features), generator=seeded())[:6]
    expected, centres = lloyd(features, features[start], 8,
                              geometry == 'spherical')
    assert min(cluster_sizes(expected, 6)) > 0
    labels, centroids = kmeans.fit(
        Rows(features), 6, seeded(), iterations=8, geometry=geometry)
    assert labels.tolist() == expected
    np.testing.assert_allclose(centroids, centres, atol=1e-5)


def test_fit_sees_half_of_many_rows_at_first(monkeypatch):
    """Without it the part could be taken by order (rows may come sorted, or
    by turns), or its rounds not be followed by others on all rows."""
    features = blobs(200)
    monkeypatch.setattr(kmeans, '_MANY_ROWS', 200)
    monkeypatch.setattr(kmeans, '_MANY_ROWS_A_CLUSTER', 33)
    start = torch.randperm(len(features), generator=seeded())
    half = features[start[:100]]
    _, centres = lloyd(half, half[:6], 4)
    expected, centres = lloyd(features, centres, 4)
    labels, centroids = kmeans.fit(Rows(features), 6, seeded(), iterations=8)
    assert labels.tolist() == expected
    np.testing.assert_allclose(centroids, centres, atol=1e-5)
    # Fewer rows, or more clusters, are seen whole.
    for name, value in (('_MANY_ROWS', 201), ('_MANY_ROWS_A_CLUSTER', 34)):
        with monkeypatch.context() as patch:
            patch.setattr(kmeans, name, value)
            other = kmeans.fit(Rows(features), 6, seeded(), iterations=8)[1]
        whole = lloyd(features, features[start[:6]], 8)[1]
        np.testing.assert_allclose(other, whole, atol=1e-5)
        assert not torch.allclose(centroids, other, atol=1e-3)


def test_the_geometries_differ():
    """Without this, the test above could compare one thing with itself."""
    features = blobs(200)
    plain, spherical = (
        kmeans.fit(Rows(features), 6, seeded(), iterations=8, geometry=name)[0]
        for name in kmeans.GEOMETRIES)
    assert not torch.equal(plain, spherical)


@pytest.mark.parametrize('repeats, num_clusters, bound', [(1, 15, 1.005),
                                                          (1, 60, 1.005),
                                                          (4, 60, 1.08)])
def test_fit_is_about_as_good_as_scikit_learn(repeats, num_clusters, bound):
    """Without this, refilled clusters could spoil the clustering.

    Both start from the same rows. Where rows repeat, clusters come out empty
    on the way: scikit-learn moves these to the rows that fit worst, which is
    good for the cost, ours to the largest clusters, which is good for sizes.
    """
    ours, theirs = [], []
    for seed in range(6):
        features = blobs(600 // repeats, seed=seed).repeat(repeats, 1)
        start = torch.randperm(len(features), generator=seeded(seed))
        labels, _ = kmeans.fit(Rows(features), num_clusters, seeded(seed))
        ours.append(cost(features, labels))
        other = KMeans(
            num_clusters,
            init=features[start[:num_clusters]].numpy(),
            n_init=1,
            max_iter=20)
        theirs.append(
            cost(features,
                 torch.from_numpy(other.fit_predict(features.numpy()))))
    assert np.mean(ours) <= bound * np.mean(theirs)


def identical(num_rows):
    return unit_rows(1).repeat(num_rows, 1)


def with_duplicates(num_rows):
    return unit_rows(3).repeat(num_rows // 3 + 1, 1)[:num_rows]


@pytest.mark.parametrize('make', [unit_rows, identical, with_duplicates])
@pytest.mark.parametrize('num_rows, num_clusters', [(40, 2), (40, 13),
                                                    (40, 40), (2, 2), (1, 1),
                                                    (41, 40)])
def test_fit_leaves_no_cluster_empty(make, num_rows, num_clusters):
    """Without this, small or degenerate data could give empty clusters,
    and a division by a size of 0."""
    features = make(num_rows)
    labels, centroids = kmeans.fit(Rows(features), num_clusters, seeded())
    assert min(cluster_sizes(labels.tolist(), num_clusters)) >= 1
    assert labels.shape == (num_rows, )
    assert centroids.isfinite().all()
    np.testing.assert_allclose(
        centroids,
        means(features, labels.tolist(), np.zeros(centroids.shape)),
        atol=1e-6)


def test_fit_reports_each_round():
    """Without this, the progress bar of the first clustering could stand
    still."""
    rounds = []
    kmeans.fit(
        Rows(unit_rows(20)), 3, seeded(), 7, progress=lambda: rounds.append(1))
    assert len(rounds) == 7


@pytest.mark.parametrize('num_clusters', [0, 21])
def test_fit_names_an_impossible_number_of_clusters(num_clusters):
    """Without this, more clusters than images give a raw torch error
    (docs/method.md 10.10)."""
    with pytest.raises(ValueError) as error:
        kmeans.fit(Rows(unit_rows(20)), num_clusters, seeded())
    for part in (f'num_clusters={num_clusters}', '1 to 20',
                 'inter_image=dict(num_clusters=...)'):
        assert part in str(error.value)


@pytest.mark.parametrize('engine', ['faiss', 'torch'])
@pytest.mark.parametrize('geometry', ['plain', 'spherical'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_the_nearest_centroid(monkeypatch, engine, geometry, dtype):
    """Without it the first clustering could depend on what is installed, or
    take products where distances are asked."""
    if engine == 'torch':
        monkeypatch.setattr(kmeans, 'faiss', None)
    elif kmeans.faiss is None:
        pytest.skip('faiss is not installed')
    draw = seeded()
    features = unit_rows(200).to(dtype)
    # Of very different lengths, so that the product misleads.
    centroids = unit_rows(37, seed=1) * torch.rand(37, 1, generator=draw)
    found = kmeans.nearest(features, centroids, geometry)
    for row, label in zip(features.float(), found):
        if geometry == 'plain':
            expected = (row - centroids).square().sum(1).argmin()
        else:
            expected = (centroids @ row / centroids.norm(dim=1)).argmax()
        assert label == expected

"""Members of clusters whose labels move."""
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interclr_plugin.inter_image import members as module
from interclr_plugin.inter_image.members import Members, replace


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def write(members, labels, index, new):
    """As a step writes labels."""
    before = labels[index]
    labels[index] = new
    members.record(index, before, labels)


def allowed(labels, label, exclude=None):
    found = (labels == label).nonzero().flatten().tolist()
    if exclude is not None and len(found) > 1:
        found.remove(exclude)
    return found


@given(
    data=st.data(),
    num_images=st.integers(2, 20),
    num_clusters=st.integers(1, 4),
    seed=st.integers(0, 999))
def test_nobody_but_members_is_drawn(data, num_images, num_clusters, seed):
    """Without it images that moved since the sorting could be drawn for the
    cluster that they left."""
    draw = seeded(seed)
    labels = torch.randint(num_clusters, (num_images, ), generator=draw)
    members = Members(labels)
    for _ in range(data.draw(st.integers(0, 6))):
        count = data.draw(st.integers(1, 5))
        # Some twice in one write, with equal labels, as gathered batches.
        index = torch.randint(num_images, (count, ), generator=draw)
        new = torch.randint(
            num_clusters, (num_images, ), generator=draw)[index]
        write(members, labels, index, new)
        # What is drawn does not depend on when the images were sorted.
        images = torch.arange(num_images)
        for exclude in (None, images):
            assert torch.equal(
                members.draw(labels[images], labels, seeded(seed), exclude),
                Members(labels).draw(labels[images], labels, seeded(seed),
                                     exclude))
    for exclude in (False, True):
        images = torch.arange(num_images).repeat(60)
        drawn = members.draw(labels[images], labels, draw,
                             images if exclude else None)
        for image in range(num_images):
            found = drawn[images == image].tolist()
            assert set(found) <= set(
                allowed(labels, labels[image], image if exclude else None))


@pytest.mark.parametrize('exclude', [False, True])
def test_a_draw_is_uniform_over_the_members_of_the_moment(exclude):
    """Without it images that came or stayed could be drawn more often."""
    draw = seeded(3)
    labels = torch.randint(3, (60, ), generator=draw)
    members = Members(labels)
    for _ in range(8):
        index = torch.randint(60, (6, ), generator=draw)
        new = torch.randint(3, (60, ), generator=draw)[index]
        write(members, labels, index, new)
    for image in range(0, 60, 7):
        images = torch.full((6000, ), image)
        drawn = members.draw(labels[images], labels, draw,
                             images if exclude else None)
        expected = allowed(labels, labels[image], image if exclude else None)
        counts = torch.bincount(drawn, minlength=60)[expected].double()
        assert counts.sum() == 6000
        # Five standard deviations of a binomial count.
        mean = 6000 / len(expected)
        assert (counts - mean).abs().max() < 5 * mean**0.5


@given(
    num_images=st.integers(1, 90),
    num_clusters=st.integers(1, 5),
    batch=st.integers(1, 40),
    seed=st.integers(0, 999))
def test_the_members_of_some_clusters(num_images, num_clusters, batch, seed):
    """Without it a repair could dissolve or cut a cluster without those that
    came, or with those that left; the sorting is brought up to date on the
    way, which could lose an image or its order."""
    draw = seeded(seed)
    labels = torch.randint(num_clusters, (num_images, ), generator=draw)
    members = Members(labels)
    for _ in range(12):
        index = torch.randint(num_images, (batch, ), generator=draw)
        new = torch.randint(num_clusters, (num_images, ), generator=draw)
        write(members, labels, index, new[index])
        some = (torch.rand(num_clusters, generator=draw) <
                0.5).nonzero().flatten()
        expected = [
            image for cluster in some.tolist()
            for image in (labels == cluster).nonzero().flatten().tolist()
        ]
        assert members.of(some, labels).tolist() == expected
        assert len(members._written) <= 64


@given(
    num_images=st.integers(1, 90),
    num_clusters=st.integers(1, 5),
    seed=st.integers(0, 999))
def test_evenly_spaced_members_of_some_clusters(num_images, num_clusters,
                                                seed):
    """Without it a repair could take an image twice, or one of another
    cluster, or others in a resumed run."""
    draw = seeded(seed)
    labels = torch.randint(num_clusters, (num_images, ), generator=draw)
    members = Members(labels)
    for _ in range(4):
        index = torch.randint(num_images, (7, ), generator=draw)
        new = torch.randint(num_clusters, (num_images, ), generator=draw)
        write(members, labels, index, new[index])
    expected, counts = [], []
    some = labels.unique()
    for cluster in some.tolist():
        found = (labels == cluster).nonzero().flatten().tolist()
        count = int(torch.randint(len(found) + 1, (), generator=draw))
        counts.append(count)
        expected += [found[j * len(found) // count] for j in range(count)]
    assert members.sample(some, torch.tensor(counts),
                          labels).tolist() == expected
    assert members.of(some, labels).tolist() == [
        image for cluster in some
        for image in (labels == cluster).nonzero().flatten().tolist()
    ]


def test_keys_have_room_for_the_largest_sets():
    """Without it 8-bit labels of many images would run over, and images of
    one cluster stand among those of another."""
    labels = (torch.arange(70000) % 128).to(torch.int8)
    members = Members(labels)
    found = members.of(torch.tensor([127]), labels)
    assert found.tolist() == list(range(127, 70000, 128))
    # The largest key: 2^31 - 1 clusters of as many images.
    assert (2**31 - 1)**2 <= torch.iinfo(members._keys.dtype).max // 2


def test_the_notes_of_writes_do_not_grow_for_ever():
    """Without it each draw would cost more than the one before."""
    labels = torch.zeros(50, dtype=torch.long)
    members = Members(labels)
    for step in range(60):
        index = torch.arange(10) + step % 40
        write(members, labels, index, torch.full((10, ), step % 3))
    assert len(members._written) <= 64
    drawn = members.draw(labels, labels, seeded())
    assert torch.equal(labels[drawn], labels)


@given(
    numbers=st.sets(st.integers(0, 60), min_size=1, max_size=30),
    data=st.data(),
    anew=st.sampled_from([0, 64]))
def test_replaced_keys_are_sorted_again(numbers, data, anew):
    """Without it a piece could be written over one that has still to move,
    so that an image is lost from its cluster and another is there twice."""
    keys = np.array(sorted(numbers))
    gone = data.draw(st.lists(st.sampled_from(keys.tolist()), unique=True))
    came = data.draw(
        st.lists(
            st.sampled_from(
                [x for x in range(61) if x not in numbers or x in gone]),
            unique=True, min_size=len(gone), max_size=len(gone)) if gone
        else st.just([]))
    expected = sorted(numbers - set(gone) | set(came))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, '_SORTED_ANEW', anew)
        replace(keys, np.array(gone, int), np.array(came, int))
    assert keys.tolist() == expected

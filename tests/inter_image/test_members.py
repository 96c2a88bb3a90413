"""Members of clusters whose labels move."""
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interclr_plugin.inter_image.members import Members


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

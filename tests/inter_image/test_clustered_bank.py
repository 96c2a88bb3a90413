"""The branch's state (docs/method.md 2): written, loaded, left alone."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from reference import means, unit, updated_bank

from interclr_plugin.inter_image import ClusteredBank
from interclr_plugin.inter_image import clustered_bank as module


def filled(num_images=12, **arguments):
    bank = ClusteredBank(num_clusters=4, feat_dim=5, **arguments)
    bank.allocate(num_images, seed=3)
    draw = torch.Generator().manual_seed(7)
    bank.fill(3 * torch.randn(num_images, 5, generator=draw))
    return bank


def clustered(num_images=12, **arguments):
    bank = filled(num_images, **arguments)
    draw = torch.Generator().manual_seed(8)
    bank.load(
        labels=torch.arange(num_images) % 4,
        centroids=torch.randn(4, 5, generator=draw))
    bank.random.step = 6
    return bank


def test_fill_stores_unit_rows_in_order():
    """Without this, raw features could be stored, and similarities with the
    bank would be no cosines."""
    draw = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(12, 5, generator=draw)
    bank = filled()
    bank.fill(features)
    np.testing.assert_allclose(
        bank.features, [unit(row) for row in features.numpy()], atol=1e-6)


@pytest.mark.parametrize('momentum', [1.0, 0.5, 0.01])
def test_new_rows_equal_the_formula(momentum):
    """Without this, momentum could be the weight of the OLD value, or the
    key be blended before it is normalised."""
    bank = filled(momentum=momentum)
    before = bank.features.clone()
    draw = torch.Generator().manual_seed(1)
    index = torch.tensor([3, 0, 11])
    keys = 5 * torch.randn(3, 5, generator=draw)
    rows = bank.blend(index, keys)
    assert torch.equal(bank.features, before)  # computing stores nothing
    bank.write(index, rows, torch.zeros(3, dtype=torch.long))
    expected = updated_bank(before, index, keys.numpy(), momentum)
    np.testing.assert_allclose(bank.features, expected, atol=1e-6)
    untouched = [i for i in range(12) if i not in (0, 3, 11)]
    assert torch.equal(bank.features[untouched], before[untouched])


def test_momentum_1_forgets_the_old_row():
    """Without this, the released momentum could leave a trace of the old
    row."""
    bank = filled(momentum=1.0)
    key = torch.tensor([[0.0, 0.0, 2.0, 0.0, 0.0]])
    row = bank.blend(torch.tensor([4]), key)
    assert row.tolist() == [[0, 0, 1, 0, 0]]


@pytest.mark.parametrize('value', [0.0, 1e-30])
@pytest.mark.parametrize('momentum', [1.0, 0.5, 0.2])
def test_a_key_without_length_keeps_the_row(momentum, value):
    """Without it a dead projection would leave a row without length, whose
    cosine with everything is 0, or of NaN: the squares of 1e-30 are 0."""
    bank = filled(momentum=momentum)
    before = bank.features[4:5].clone()
    assert torch.equal(
        bank.blend(torch.tensor([4]), torch.full((1, 5), value)), before)


def test_a_key_opposite_to_its_row_leaves_it():
    """Without this, a row of zeros could be stored, which is like no image
    and unlike none."""
    bank = clustered(momentum=0.5)
    before = bank.features[4:5].clone()
    torch.testing.assert_close(
        bank.blend(torch.tensor([4]), -3 * before), before)


@given(
    data=st.data(),
    num_images=st.integers(1, 6),
    momentum=st.sampled_from([0.1, 0.5, 1.0]))
def test_any_batch_gives_the_reference_and_unit_rows(data, num_images,
                                                     momentum):
    """Without this, images that repeat in a batch (a sampler that rounds
    up) could leave another row than the first one's."""
    bank = filled(num_images=num_images, momentum=momentum)
    index = torch.tensor(
        data.draw(
            st.lists(
                st.integers(0, num_images - 1), min_size=1, max_size=8)))
    seed = data.draw(st.integers(0, 99))
    keys = torch.randn(
        len(index), 5, generator=torch.Generator().manual_seed(seed))
    expected = updated_bank(bank.features, index, keys.numpy(), momentum)
    rows = bank.blend(index, keys)
    bank.write(index, rows, 0 * index)
    np.testing.assert_allclose(bank.features, expected, atol=1e-6)
    np.testing.assert_allclose(bank.features.norm(dim=1), 1, atol=1e-6)


# one writer
@pytest.mark.parametrize('dtype', ClusteredBank.DTYPES)
def test_any_writes_keep_what_follows_from_them(dtype, monkeypatch):
    """Without this, sums, sizes or members could belong to older rows or
    labels, or be made anew at each step: 1.2 against 27 ms at 100,000 rows.
    """
    made = []
    for name in ('RunningMeans', 'Members'):
        kind = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *args, kind=kind: made.append(kind) or kind(
                *args))
    bank = clustered(40, dtype=dtype)
    assert bank.sums and bank.members
    draw = torch.Generator().manual_seed(1)
    for step in range(20):
        index = torch.randint(40, (6, ), generator=draw)
        rows = F.normalize(torch.randn(6, 5, generator=draw), dim=1)
        labels = torch.randint(4, (6, ), generator=draw)
        # Of what repeats the first counts.
        expected, kept = bank.labels.tolist(), bank.features.clone()
        distinct = {}
        for image, row, label in zip(index.tolist(), rows, labels.tolist()):
            if image not in distinct:
                distinct[image] = expected[image] != label
                expected[image] = label
                if step % 3:
                    kept[image] = row
        changed = bank.write(index, rows if step % 3 else None, labels)
        assert bank.labels.tolist() == expected
        assert torch.equal(bank.features, kept)
        assert changed.item() == pytest.approx(
            sum(distinct.values()) / len(distinct))
    assert len(made) == 2
    assert torch.equal(bank.sums.sizes, bank.sizes())
    bank.renew_centroids()
    np.testing.assert_allclose(
        bank.centroids,
        means(bank.features.float(), bank.labels.tolist(),
              bank.centroids),
        atol=1e-6)
    some = torch.tensor([1, 3])
    expected = [
        image for cluster in (1, 3)
        for image in (bank.labels == cluster).nonzero().flatten().tolist()
    ]
    assert bank.members.of(some, bank.labels).tolist() == expected


def test_a_new_tensor_as_a_whole_is_noticed():
    """Without this, a bank that was filled or loaded would keep old means."""
    bank, other = clustered(), clustered(20)
    assert bank.sums and bank.members
    changes = [
        lambda: bank.fill(torch.randn(12, 5)),
        lambda: bank.load(labels=torch.arange(12) // 3),
        lambda: bank.load_state_dict(other.state_dict()),
        lambda: bank.allocate(8, seed=1),
    ]
    for change in changes:
        change()
        assert torch.equal(bank.sums.sizes, bank.sizes())
        expected = means(bank.features, bank.labels.tolist(), bank.centroids)
        bank.renew_centroids()
        np.testing.assert_allclose(bank.centroids, expected, atol=1e-6)
        found = bank.members.of(torch.arange(4), bank.labels)
        assert len(found) == bank.num_images


def test_nothing_that_averages_buffers_finds_a_row():
    """Without this, a hook that averages or swaps buffers would change the
    rows behind the sums' back (centroids off by 0.397), or round them."""
    bank = clustered()
    assert not list(bank.buffers()) and not list(bank.parameters())
    assert {name for name in bank.state_dict()} == {
        'features', 'labels', 'centroids', 'status', 'seed', 'step'
    }


def test_it_follows_the_model_and_keeps_its_precision():
    """Without this, a model that is moved would leave its bank behind, and
    one that is made half as precise would round the centroids."""
    bank = clustered()
    bank.half()
    assert bank.features.dtype == bank.centroids.dtype == torch.float32
    assert bank.sums and bank.members
    bank.to('meta')
    for name in ('features', 'labels', 'centroids'):
        assert getattr(bank, name).device.type == 'meta'
    assert bank._sums is None and bank._members is None


# a state that loads itself
@pytest.mark.parametrize('make', [filled, clustered])
def test_the_state_loads_itself(make):
    """Without this, the bank could lie outside the checkpoint, as the
    released one did (docs/method.md 10), or need its size beforehand: a
    model from a checkpoint alone had an empty bank that called itself ready.
    """
    bank = make()
    for size in (None, 12, 30):
        other = ClusteredBank(num_clusters=4, feat_dim=5)
        if size:
            other.allocate(size, seed=0)
        other.load_state_dict(bank.state_dict())
        assert other.status == bank.status
        assert other.num_images == 12
        assert (other.random.seed, other.random.step) == (
            bank.random.seed, bank.random.step)
        for name in ('features', 'labels', 'centroids'):
            assert torch.equal(getattr(other, name), getattr(bank, name))
            # A copy: two banks of one file are two.
            assert getattr(other, name).data_ptr() != getattr(
                bank, name).data_ptr()


def test_weights_without_a_bank_leave_it_alone():
    """Without this, a stock checkpoint could empty the bank, or be refused
    for what it cannot have."""
    bank = clustered()
    before = bank.state_dict()
    bank.load_state_dict({})
    assert bank.status == 'clustered'
    assert torch.equal(bank.features, before['features'])


@pytest.mark.parametrize('change, message', [
    (dict(labels=None), r'labels is missing in the checkpoint and \(12,\)'),
    (dict(status=None), 'status is missing'),
    (dict(labels=torch.zeros(11, dtype=torch.long)),
     r'labels is \(11,\) in the checkpoint and \(12,\)'),
    (dict(centroids=torch.zeros(3, 5)),
     r'centroids is \(3, 5\) in the checkpoint and \(4, 5\) here'),
    (dict(features=torch.zeros(12, 6)),
     r'features is \(12, 6\) in the checkpoint and \(12, 5\) here'),
])
def test_all_or_nothing_is_loaded(change, message):
    """Without this, a part of a state would be mixed with another's."""
    state = clustered().state_dict()
    for name, value in change.items():
        if value is None:
            del state[name]
        else:
            state[name] = value
    bank = filled(9)
    before = {name: v.clone() for name, v in bank.state_dict().items()}
    with pytest.raises(ValueError, match=message) as error:
        bank.load_state_dict(state)
    assert 'inter_image' in str(error.value)
    for name, value in bank.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize('momentum', [0.0, -0.1, 1.1, float('nan')])
def test_a_bad_momentum_is_named(momentum):
    """Without this, momentum 0 (the other convention's 1) would freeze the
    bank silently."""
    with pytest.raises(ValueError) as error:
        filled(momentum=momentum)
    for part in (f'momentum={momentum}', '(0, 1]',
                 'inter_image=dict(bank=dict(momentum=...))'):
        assert part in str(error.value)

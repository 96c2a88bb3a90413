"""The memory bank (METHOD.md 2)."""
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import unit, updated_bank

from interclr_plugin.distributed import first_occurrence
from interclr_plugin.inter_image import MemoryBank


def filled(num_images=12, feat_dim=5, **arguments):
    bank = MemoryBank(**arguments)
    bank.allocate(num_images, feat_dim)
    draw = torch.Generator().manual_seed(7)
    bank.fill(3 * torch.randn(num_images, feat_dim, generator=draw))
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
    bank.write(index, rows)
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


@pytest.mark.parametrize('momentum', [1.0, 0.5])
def test_a_key_without_direction_keeps_the_row(momentum):
    """Without it a dead projection would leave a row without length, whose
    cosine with everything is 0."""
    bank = filled(momentum=momentum)
    before = bank.features[4:5].clone()
    assert torch.equal(
        bank.blend(torch.tensor([4]), torch.zeros(1, 5)), before)


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
    bank.write(index, rows[first_occurrence(index)])
    np.testing.assert_allclose(bank.features, expected, atol=1e-6)
    np.testing.assert_allclose(bank.features.norm(dim=1), 1, atol=1e-6)


def test_the_bank_is_in_the_checkpoint():
    """Without this, the bank could lie outside the state dict, as the
    released one did (METHOD.md 10.11), and a resume would lose it."""
    bank, other = filled(), MemoryBank()
    other.allocate(12, 5)
    assert not other.features.any()
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.features, bank.features)


@pytest.mark.parametrize('momentum', [0.0, -0.1, 1.1, float('nan')])
def test_a_bad_momentum_is_named(momentum):
    """Without this, momentum 0 (the other convention's 1) would freeze the
    bank silently."""
    with pytest.raises(ValueError) as error:
        MemoryBank(momentum=momentum)
    for part in (f'momentum={momentum}', '(0, 1]',
                 'inter_image=dict(bank=dict(momentum=...))'):
        assert part in str(error.value)

"""Means that follow what changes."""
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from interclr_plugin.distributed import is_first_occurrence
from interclr_plugin.inter_image.rows import Rows
from interclr_plugin.inter_image.running_means import RunningMeans


def unit_rows(count, seed):
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 5, generator=draw), dim=1)


def by_a_loop(features, labels, old):
    expected = old.clone().double()
    for cluster in range(len(old)):
        members = features[labels == cluster].double()
        if len(members):
            expected[cluster] = members.sum(0) / len(members)
    return expected


@given(
    writes=st.integers(0, 30),
    seed=st.integers(0, 999),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_they_are_the_means(writes, seed, dtype):
    """Without it sums could lose or count a row twice, or drift, or a mean
    could stay behind its cluster: what many writes lead to is to the last
    bit what a start from nothing gives."""
    draw = torch.Generator().manual_seed(seed)
    features = unit_rows(30, seed).to(dtype)
    labels = torch.randint(4, (30, ), generator=draw)
    running = RunningMeans(Rows(features), labels, 6)
    whole = torch.randn(6, 5, generator=draw)
    kept = whole.clone()
    for step in range(writes):
        index = torch.randint(30, (5, ), generator=draw)  # some twice
        rows = unit_rows(30, step).to(dtype)[index]
        numbers = torch.randint(6, (30, ), generator=draw)[index]
        once = is_first_occurrence(index)
        before = labels[index]
        if step % 3 == 0:
            index, before, numbers = (
                part[once] for part in (index, before, numbers))
            running.move(Rows(features), index, before, numbers)
        else:
            running.replace(features[index], before, rows, numbers, once)
            features[index] = rows
        labels[index] = numbers
        if step % 2:
            which = running.take_changed()
            kept[which] = running.of(kept, which)
            whole = RunningMeans(Rows(features), labels, 6).of(whole)
            assert torch.equal(kept, whole)
    old = torch.randn(6, 5, generator=draw)
    found = running.of(old)
    expected = by_a_loop(features, labels, old)
    torch.testing.assert_close(found.double(), expected, atol=1e-7, rtol=0)
    assert torch.equal(running.sizes, torch.bincount(labels, minlength=6))
    anew = RunningMeans(Rows(features), labels, 6)
    assert torch.equal(found, anew.of(old))


def test_only_what_changed_is_computed_anew():
    """Without it the means of a million clusters would be made every few
    steps, for the few hundred that changed."""
    features, labels = unit_rows(30, 0), torch.arange(30) % 10
    running = RunningMeans(Rows(features), labels, 10)
    assert running.take_changed() == slice(None)
    assert len(running.take_changed()) == 0
    index, to = torch.tensor([3, 15]), torch.tensor([4, 5])
    running.replace(features[index], labels[index], features[index], to,
                    torch.tensor([True, True]))
    labels[index] = to
    running.move(Rows(features), torch.tensor([7]), torch.tensor([7]),
                 torch.tensor([2]))
    assert set(running.take_changed().tolist()) == {3, 4, 5, 7, 2}
    for _ in range(2):  # as many as there are clusters: all, and no list
        running.replace(features[:5], labels[:5], features[:5], labels[:5],
                        torch.ones(5, dtype=torch.bool))
    assert running.take_changed() == slice(None)

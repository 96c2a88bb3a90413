"""The branch's random numbers."""
import random

import numpy as np
import pytest
import torch
from mmengine import dist

from interclr_plugin.inter_image import InterImageBranch
from interclr_plugin.inter_image.random_stream import RandomStream


def stream(seed=3, steps=0):
    return RandomStream(seed, steps)


def numbers(generator, count=8):
    return torch.rand(count, generator=generator).tolist()


def test_seed_and_step_alone_decide():
    """Without this, two runs with one seed could train differently."""
    for kind in ('own', 'shared'):
        first = numbers(getattr(stream(steps=2), kind)())
        assert numbers(getattr(stream(steps=2), kind)()) == first
        assert numbers(getattr(stream(steps=3), kind)()) != first
        assert numbers(getattr(stream(seed=4, steps=2), kind)()) != first


def test_asking_twice_gives_the_same_numbers():
    """Without this, an extra draw in one step could shift all later ones."""
    one = stream(steps=1)
    one.own(), one.shared()
    assert numbers(one.own()) == numbers(stream(steps=1).own())


def test_processes_draw_differently_but_share_one_stream(monkeypatch):
    """Without this, all processes could draw the same pairs (docs/method.md
    10.9), or repair clusters each in its own way, so that banks diverge."""
    own, shared = [], []
    for rank in range(4):
        monkeypatch.setattr(dist, 'get_rank', lambda rank=rank: rank)
        one = stream(steps=5)
        own.append(tuple(numbers(one.own())))
        shared.append(tuple(numbers(one.shared())))
    assert len(set(own)) == 4
    assert len(set(shared)) == 1
    assert shared[0] not in own


def test_the_numbers_are_uniform_over_steps():
    """Without this, generators of neighbouring steps could be alike: the
    first number of each step has to be as good as any."""
    one = stream(seed=0)
    firsts = []
    for _ in range(2000):
        firsts.append(numbers(one.own(), 1)[0])
        one.step += 1
    firsts = np.array(firsts)
    # Standard errors: 1 / sqrt(12 * 2000) = 0.0065 and 1 / sqrt(2000).
    assert abs(firsts.mean() - 0.5) < 4 * 0.0065
    assert abs(np.corrcoef(firsts[1:], firsts[:-1])[0, 1]) < 4 * 0.0224


@pytest.mark.parametrize('strategy',
                         ['semi-hard', 'hard', 'random', 'semi-easy'])
def test_no_part_of_the_branch_touches_the_global_generators(strategy):
    """Without this, adding the branch could change the stock loss, which
    draws from torch's global generator (MoCo shuffles its batch)."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(),
              random.getstate())
    branch = InterImageBranch(
        num_clusters=3,
        feat_dim=4,
        labels=dict(min_cluster_size=5),
        sampler=dict(strategy=strategy, num_negatives=5, pool_fraction=0.5))
    own = torch.Generator().manual_seed(2)
    branch.allocate(30, seed=0)
    branch.fill()
    branch.fill(torch.randn(30, 4, generator=own))
    branch.first_clustering()
    for step in range(12):  # a centroid update at step 10
        labels = branch.bank.labels.clone()
        labels[:27] = step % 3  # small clusters to repair
        branch.bank.load(labels=labels)
        query = torch.randn(6, 4, generator=own).requires_grad_()
        index = torch.randperm(30, generator=own)[:6]
        loss, _ = branch(query, query.detach(), index)
        loss.backward()
        branch.after_step()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()
    assert before[2] == random.getstate()

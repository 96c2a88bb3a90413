"""Several processes keep equal copies (docs/architecture.md, traps 9, 10).

Two real processes over gloo run the branch on their own batches; the same
is then computed in this process with the batches joined.
"""
import math

import gloo
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from hypothesis import given
from hypothesis import strategies as st
from mmengine import dist
from reference import nearest_centroid, updated_bank

from interclr_plugin.distributed import first_occurrence, gather_rows, shard
from interclr_plugin.inter_image import InterImageBranch

WORLD, STEPS, BATCH = 2, 20, 6
NUM_IMAGES, NUM_CLUSTERS, FEAT_DIM, MIN_SIZE = 64, 8, 4, 4
MOMENTA = (1.0, 0.5)
STATE = ('bank.features', 'bank.labels', 'bank.centroids')


# functions
@given(st.lists(st.integers(0, 5), max_size=12))
def test_first_occurrence_equals_list_index(values):
    """Without this, repeated images could get the rows of others, or each
    process another row."""
    got = first_occurrence(torch.tensor(values, dtype=torch.long))
    assert got.tolist() == [values.index(value) for value in values]


@pytest.mark.parametrize('world', [1, 2, 3, 7])
def test_shards_cover_all_rows_once(monkeypatch, world):
    """Without this, rows could be counted twice or never in a mean over
    processes, also where there are fewer rows than processes."""
    monkeypatch.setattr(dist, 'get_world_size', lambda: world)
    for num_rows in (0, 1, 2, 6, 7, 50):
        rows, lengths = [], []
        for rank in range(world):
            monkeypatch.setattr(dist, 'get_rank', lambda rank=rank: rank)
            part = list(range(num_rows))[shard(num_rows)]
            rows += part
            lengths.append(len(part))
        assert rows == list(range(num_rows))
        assert max(lengths) - min(lengths) <= 1


def test_alone_everything_is_mine():
    """Without this, one process would need a process group."""
    rows = torch.rand(3, 2)
    assert gather_rows(rows) is rows
    assert shard(5) == slice(0, 5)


# two processes
def branch_for_test(momentum):
    branch = InterImageBranch(
        num_clusters=NUM_CLUSTERS,
        feat_dim=FEAT_DIM,
        bank=dict(momentum=momentum),
        labels=dict(min_cluster_size=MIN_SIZE, centroid_interval=5),
        sampler=dict(num_negatives=8, pool_fraction=0.5))
    branch.allocate(NUM_IMAGES, seed=3)
    draw = torch.Generator().manual_seed(0)
    branch.fill(torch.randn(NUM_IMAGES, FEAT_DIM, generator=draw))
    branch.first_clustering()
    return branch


def batch_for_test(step):
    """Queries, keys and images of all processes, rank after rank.

    Images repeat within a process and across both. The keys lean to one
    side, more with every step, so that clusters become small.
    """
    draw = torch.Generator().manual_seed(100 + step)
    query, key = torch.randn(2, WORLD * BATCH, FEAT_DIM, generator=draw)
    key[:, 0] += 0.3 * step
    index = torch.randint(NUM_IMAGES, (WORLD * BATCH, ), generator=draw)
    index[1] = index[4]  # within the first process
    index[BATCH + 2] = index[BATCH + 3]  # within the second
    index[BATCH] = index[0]  # across both
    return query, key, index


def train(branch, mine, bad_rank=None):
    """Run all steps; give what can be compared.

    Args:
        mine (slice): This process's part of the joint batch.
        bad_rank (int, optional): The process that puts a NaN key and an
            index outside into one more step at the end.
    """
    repairs, negatives, losses = 0, [], []

    compare = branch.sampler.compare

    def keep(*args):
        pairs = compare(*args)
        negatives.append(pairs.negatives.clone())
        return pairs

    branch.sampler.compare = keep
    for step in range(STEPS):
        query, key, index = (part[mine] for part in batch_for_test(step))
        query = query.clone().requires_grad_()
        loss, statistics = branch(query, key, index)
        loss.backward()
        losses.append(loss.detach())
        repairs += int((branch.bank.sizes() < MIN_SIZE).any())
        branch.after_step()
    result = {
        name: value.clone()
        for name, value in branch.state_dict().items() if name in STATE
    }
    if bad_rank is not None:
        query, key, index = (part[mine] for part in batch_for_test(0))
        if dist.get_rank() == bad_rank:
            key[1] = math.nan
            index[0] = NUM_IMAGES
        branch(query, key, index)
        for name, value in branch.state_dict().items():
            if name in STATE:
                result[f'after a bad step: {name}'] = value.clone()
    return dict(
        state=result,
        repairs=repairs,
        negatives=torch.stack(negatives),
        losses=torch.stack(losses),
        change_ratio=statistics['change_ratio'],
        fault=what_is_raised(branch))


def what_is_raised(branch, losses=None):
    try:
        branch.faults.stop(branch.bank, losses)
    except ValueError as error:
        return str(error)


def run(momentum, mine, bad_rank=None):
    """Fill a branch and train it."""
    branch = branch_for_test(momentum)
    fitted = {
        name: value.clone()
        for name, value in branch.state_dict().items() if name in STATE
    }
    return dict(train(branch, mine, bad_rank), fitted=fitted)


def lost_loss(rank):
    """What a process says where the loss of the second is lost."""
    branch = branch_for_test(1.0)
    branch.update(*(part[:BATCH] for part in batch_for_test(0)[1:]))
    value = math.nan if rank else 1.
    return what_is_raised(branch, dict(intra_loss=torch.tensor(value)))


def unequal(rank=None):
    """The state after steps in which the second process has fewer images,
    or that after the same steps of one process alone."""
    branch = branch_for_test(1.0)
    branch.batch_size = BATCH
    statistics = []
    for step in range(5):
        _, key, index = batch_for_test(step)
        index = (torch.arange(len(index)) + 12 * step) % NUM_IMAGES
        mine = torch.arange(WORLD * BATCH - 2)
        if rank is not None:
            mine = mine[rank * BATCH:(rank + 1) * BATCH]
        statistics.append(branch.update(key[mine], index[mine]))
        branch.after_step()
    state = {
        name: value
        for name, value in branch.state_dict().items() if name in STATE
    }
    state['change'] = torch.stack([s['change_ratio'] for s in statistics])
    return state


def work(rank, folder):
    mine = slice(rank * BATCH, (rank + 1) * BATCH)
    result = {momentum: run(momentum, mine, 1) for momentum in MOMENTA}
    result['lost'] = lost_loss(rank)
    result['unequal'] = unequal(rank)
    result['gathered'] = gather_rows(torch.full((2, 3), float(rank)))
    torch.save(result, f'{folder}/{rank}.pt')


@pytest.fixture(scope='module')
def both_processes(tmp_path_factory):
    """What each of the two processes computed."""
    folder = tmp_path_factory.mktemp('gloo')
    gloo.spawn(work, WORLD, str(folder))
    return [torch.load(folder / f'{rank}.pt') for rank in range(WORLD)]


@pytest.fixture(params=MOMENTA)
def results(request, both_processes):
    """The two processes at one momentum, and this one alone."""
    alone = run(request.param, slice(0, WORLD * BATCH))
    return [result[request.param] for result in both_processes], alone


def test_copies_are_equal_to_the_bit(results):
    """Without this, banks could drift apart with repeated images, random
    numbers of a process's own or sums in another order."""
    (one, two), _ = results
    assert one['repairs'] == two['repairs'] > 3
    for name in STATE:
        assert torch.equal(one['state'][name], two['state'][name]), name
        assert torch.equal(one['fitted'][name], two['fitted'][name]), name
    assert torch.equal(one['change_ratio'], two['change_ratio'])


def test_two_processes_equal_one_with_the_joint_batch(results):
    """Without this, several processes could train another thing than one:
    lose a batch, count a repeated image twice, cut other clusters."""
    (one, _), alone = results
    assert one['repairs'] == alone['repairs']
    for state in ('fitted', 'state'):
        here, there = alone[state], one[state]
        assert torch.equal(here['bank.labels'], there['bank.labels'])
        for name in ('bank.features', 'bank.centroids'):
            torch.testing.assert_close(
                here[name], there[name], rtol=0, atol=1e-5)
    torch.testing.assert_close(alone['change_ratio'], one['change_ratio'])


def test_processes_draw_their_own_pairs(results):
    """Without this, all processes could draw alike (docs/method.md 10.9)."""
    (one, two), _ = results
    assert not torch.equal(one['negatives'], two['negatives'])
    assert not torch.equal(one['losses'], two['losses'])


def test_one_bad_process_stops_the_writes_of_all(results):
    """Without this, one process could store its good half of a batch that
    the other leaves out, and only one of them stop."""
    for result in results[0]:
        for name in STATE:
            assert torch.equal(result['state'][name],
                               result['state'][f'after a bad step: {name}'])
        assert result['fault'].startswith(f'Step {STEPS + 1}: a projection')


def test_a_loss_lost_on_one_process_stops_both(both_processes):
    """Without this, the other process waits in the next collective until its
    time is over: half an hour, by default."""
    healthy, lost = (result['lost'] for result in both_processes)
    assert lost.startswith('Step 1: intra_loss is NaN')
    assert healthy.startswith('Step 1: a loss of another process is NaN')


def test_batches_of_unequal_size(both_processes):
    """Without this, a last batch that is shorter on some processes ends in
    the collective's own words: sizes that do not match."""
    alone = unequal()
    for result in both_processes:
        for name, value in alone.items():
            torch.testing.assert_close(result['unequal'][name], value)


def test_rows_are_gathered_in_the_order_of_ranks(both_processes):
    """Without this, gathered keys could be stored under the images of
    another process."""
    for result in both_processes:
        assert result['gathered'][:, 0].tolist() == [0, 0, 1, 1]


def test_a_joint_batch_with_repeats_equals_the_reference():
    """Without this, both runs above could be wrong alike."""
    branch = branch_for_test(0.5)
    for step in range(3):
        _, key, index = batch_for_test(step)
        assert len(index.unique()) < len(index)
        before = branch.bank.features.clone()
        branch.update(key, index)
        expected = updated_bank(before, index, key.numpy(), 0.5)
        torch.testing.assert_close(
            branch.bank.features.double(),
            torch.from_numpy(expected),
            rtol=0,
            atol=1e-6)
        for image in index.tolist():
            assert branch.bank.labels[image] == nearest_centroid(
                branch.bank.features[image], branch.bank.centroids)

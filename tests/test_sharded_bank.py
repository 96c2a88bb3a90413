"""A bank of which each process holds a part (docs/method.md 4.6).

Two and three real processes over gloo, against the replicated bank on this
process alone.
"""
import gloo
import pytest
import torch
import torch.nn.functional as F
from mmengine import dist
from scipy.stats import ks_2samp

from interclr_plugin.inter_image import InterImageBranch, Whitening

STEPS, BATCH = 20, 6
NUM_IMAGES, NUM_CLUSTERS, FEAT_DIM, MIN_SIZE = 65, 8, 4, 4
DTYPES = ('float32', 'float16')
# Of the test of distributions.
TRIALS, QUERIES, MANY = 150, 8, 600


# one process
def branch_of(kind, num_images=NUM_IMAGES, sampler=None, **bank):
    branch = InterImageBranch(
        num_clusters=NUM_CLUSTERS,
        feat_dim=FEAT_DIM,
        bank=dict(type=kind, **bank),
        labels=dict(min_cluster_size=MIN_SIZE, centroid_interval=5),
        sampler=sampler or dict(num_negatives=4, pool_fraction=0.5))
    branch.allocate(num_images, seed=3)
    return branch


def fill(branch):
    draw = torch.Generator().manual_seed(0)
    branch.fill(torch.randn(branch.num_images, FEAT_DIM, generator=draw))
    branch.first_clustering()
    return branch


def batch_of(step, world):
    """Images of all processes, some twice; clusters become small."""
    draw = torch.Generator().manual_seed(100 + step)
    query, key = torch.randn(2, world * BATCH, FEAT_DIM, generator=draw)
    key[:, 0] += 0.3 * step
    index = torch.randint(NUM_IMAGES, (world * BATCH, ), generator=draw)
    index[1] = index[4]  # within the first process
    index[-1] = index[0]  # across two
    return query, key, index


def train(branch, mine, world):
    """Run all steps; give what can be compared."""
    losses, gradients, repairs = [], [], 0
    for step in range(STEPS):
        query, key, index = (part[mine] for part in batch_of(step, world))
        query = query.clone().requires_grad_()
        loss, statistics = branch(query, key, index)
        loss.backward()
        losses.append(loss.detach())
        gradients.append(query.grad)
        repairs += int((branch.bank.sizes() < MIN_SIZE).any())
        branch.after_step()
    bank = branch.bank
    return dict(
        losses=torch.stack(losses),
        gradients=torch.stack(gradients),
        repairs=repairs,
        change_ratio=statistics['change_ratio'],
        features=bank.features.clone(),
        labels=bank.labels.long(),
        centroids=bank.centroids.clone(),
        sums=bank.sums._sums.clone(),
        sizes=bank.sums.sizes.clone())


SAMPLERS = [
    dict(strategy='semi-hard'),
    dict(strategy='semi-easy', pool='exact'),
    dict(strategy='hard'),
    dict(strategy='random', positives='others')
]


@pytest.mark.parametrize(
    'sampler', SAMPLERS, ids=lambda sampler: sampler['strategy'])
@pytest.mark.parametrize('momentum', [1.0, 0.5])
def test_alone_it_is_the_replicated_bank_to_the_bit(sampler, momentum):
    """Without this, a run on one process would change when the type of its
    bank does: draws, gradients, repairs or rounding."""
    sampler = dict(sampler, num_negatives=4, pool_fraction=0.5)
    results = [
        train(
            fill(branch_of(kind, sampler=sampler, momentum=momentum)),
            slice(None), 1) for kind in ('ClusteredBank', 'ShardedMemoryBank')
    ]
    assert results[0]['repairs']
    for name, value in results[0].items():
        assert torch.equal(
            torch.as_tensor(value), torch.as_tensor(results[1][name])), name


@pytest.mark.parametrize('clusters, kind', [
    (128, torch.int8), (129, torch.int16), (32768, torch.int16),
    (32769, torch.int32), (1 << 31, torch.int32)
])
def test_labels_take_the_smallest_type(clusters, kind):
    """Without this, labels of 100 million images take 800 MB on every
    process, or the last cluster has no number."""
    from interclr_plugin.inter_image import ShardedMemoryBank
    bank = ShardedMemoryBank.__new__(ShardedMemoryBank)
    assert bank._label_type(clusters) == kind
    assert torch.tensor(clusters - 1).to(kind) == clusters - 1


def test_members_of_a_small_type_do_not_overflow():
    """Without this, label x N + image leaves the range of the labels' type,
    and positives come from other clusters."""
    from interclr_plugin.inter_image.members import Members
    labels = torch.arange(4000) % 120
    members = Members(labels.to(torch.int8))
    index = torch.arange(0, 4000, 7)
    drawn = members.draw(labels[index], labels.to(torch.int8),
                         torch.Generator().manual_seed(0))
    assert torch.equal(labels[drawn], labels[index])
    members.record(index[:3], labels[index[:3]], labels.to(torch.int8))
    found = members.of(torch.tensor([5, 119]), labels.to(torch.int8))
    assert found.tolist() == [
        i for c in (5, 119) for i in range(4000) if i % 120 == c
    ]


def test_hard_negatives_are_refused_on_several_processes(monkeypatch):
    """Without this, 'hard' would silently mean another thing: the most
    similar images of a part."""
    sampler = dict(strategy='hard', num_negatives=4)
    branch_of('ShardedMemoryBank', sampler=sampler)
    monkeypatch.setattr(dist, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match="strategy='hard'.*32 of 65.*semi-"):
        branch_of('ShardedMemoryBank', sampler=sampler)


def test_more_negatives_than_a_part_has_are_refused(monkeypatch):
    """Without this, the pool would grow beyond its share of the bank in
    silence."""
    monkeypatch.setattr(dist, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match='num_negatives=20 is impossible: 32'):
        branch_of(
            'ShardedMemoryBank',
            sampler=dict(num_negatives=20, pool_fraction=0.5))
    branch = branch_of(
        'ShardedMemoryBank', sampler=dict(pool_fraction=0.5))
    assert branch.sampler.num_negatives == 8  # half of the pool of 32


# distributions
def losses_of_trials(kind, fraction=0.25):
    """Losses of the same queries, images assigned at random in each trial."""
    draw = torch.Generator().manual_seed(5)
    centres = torch.randn(NUM_CLUSTERS, FEAT_DIM, generator=draw)
    labels = torch.arange(MANY) % NUM_CLUSTERS
    rows = centres[labels] + torch.randn(MANY, FEAT_DIM, generator=draw)
    rows = F.normalize(rows, dim=1)
    queries = torch.randn(QUERIES, FEAT_DIM, generator=draw)
    queries[:, 0] += 2
    queries = F.normalize(queries, dim=1)
    branch = branch_of(
        kind, MANY, sampler=dict(num_negatives=20, pool_fraction=fraction))
    found = []
    for trial in range(TRIALS):
        # Other orders than those of the other kind of bank.
        draw.manual_seed(1000 * (kind == 'ClusteredBank') + trial)
        order = torch.randperm(MANY, generator=draw)
        branch.bank.load(features=rows[order], labels=labels[order])
        branch.bank.random.step = trial
        index = torch.arange(QUERIES)
        found.append(branch(queries, queries, index)[0])
    return torch.stack(found)


# several processes
def pairs_of(branch):
    """Queries, what they were compared with, and what came out."""
    bank, sampler = branch.bank, branch.sampler
    query = F.normalize(torch.randn(5, FEAT_DIM), dim=1)
    index = torch.arange(5)
    draw = sampler.draw(index, bank.rows, bank.labels, bank.random.own(),
                        bank.members)
    return query, sampler.compare(query, index, bank.features, bank.labels,
                                  draw)._asdict()


def work(rank, world, folder):
    mine = slice(rank * BATCH, (rank + 1) * BATCH)
    result = {}
    for dtype in DTYPES:
        branch = fill(branch_of('ShardedMemoryBank', dtype=dtype))
        result[dtype] = train(branch, mine, world)
        # What others hold, asked for by each otherwise, and nothing.
        index = torch.randperm(NUM_IMAGES)[:10 * rank]
        result[dtype]['taken'] = (index, branch.bank.rows.take(index))
        result[dtype]['pairs'] = pairs_of(branch)
        again = branch_of('ShardedMemoryBank', dtype=dtype)
        again.load_state_dict(branch.state_dict())
        assert torch.equal(again.bank.features, branch.bank.features)
        assert again.num_images == NUM_IMAGES
    sampler = dict(type='RelationSampler', whitening_interval=3)
    branch = fill(branch_of('ShardedMemoryBank', sampler=sampler))
    result['relations'] = train(branch, mine, world)
    result['relations']['pairs'] = pairs_of(branch)
    result['relations']['axes'] = branch.sampler.whitening.state_dict()
    if world == 2:
        result['same'] = losses_of_trials('ShardedMemoryBank')
        result['other pool'] = losses_of_trials('ShardedMemoryBank', 1.)
    torch.save(result, f'{folder}/{rank}.pt')


@pytest.fixture(
    scope='module',
    params=[pytest.param(each, marks=pytest.mark.slow) for each in (2, 3)])
def processes(request, tmp_path_factory):
    """What each of the processes computed."""
    folder = tmp_path_factory.mktemp('gloo')
    world = request.param
    gloo.spawn(work, world, world, str(folder))
    return [torch.load(folder / f'{rank}.pt') for rank in range(world)]


def joined(parts):
    """Rows of all processes, in the order of the images."""
    whole = parts[0].new_zeros(NUM_IMAGES, FEAT_DIM)
    for rank, part in enumerate(parts):
        whole[rank::len(parts)] = part
    return whole


@pytest.mark.parametrize('dtype', DTYPES)
def test_parts_are_those_of_one_whole_bank(processes, dtype):
    """Without this, an owner could lose a write, a repair move other images,
    or the first clustering see its own part alone."""
    world = len(processes)
    results = [result[dtype] for result in processes]
    whole = joined([result['features'] for result in results])
    alone = train(
        fill(branch_of('ClusteredBank', dtype=dtype)), slice(None), world)
    assert results[0]['repairs'] == alone['repairs'] > 3
    torch.testing.assert_close(whole, alone['features'], rtol=0, atol=1e-5)
    for result in results:
        assert torch.equal(result['labels'], alone['labels'])
        torch.testing.assert_close(
            result['centroids'], alone['centroids'], rtol=0, atol=1e-5)
        torch.testing.assert_close(result['change_ratio'],
                                   alone['change_ratio'])
        # A process holds its rows, and no more.
        assert len(result['features']) <= -(-NUM_IMAGES // world)
        index, rows = result['taken']
        assert torch.equal(rows, whole[index])


@pytest.mark.parametrize('dtype', DTYPES)
def test_what_all_have_is_equal_to_the_bit(processes, dtype):
    """Without this, sums of rows that are elsewhere could drift apart."""
    first, *others = [result[dtype] for result in processes]
    for other in others:
        for name in ('labels', 'centroids', 'sums', 'sizes'):
            assert torch.equal(first[name], other[name]), name
        assert not torch.equal(first['losses'], other['losses'])
    sums = torch.zeros_like(first['sums'])
    rows = joined([result[dtype]['features'] for result in processes])
    whole = (rows.float() * float(1 << 32)).round().long()
    sums.index_add_(0, first['labels'], whole)
    assert torch.equal(first['sums'], sums)
    assert torch.equal(first['sizes'], torch.bincount(first['labels']))


@pytest.mark.parametrize('dtype', DTYPES)
def test_pairs_are_the_images_that_were_compared(processes, dtype):
    """Without this, a row that a process holds could count as another's: as
    one of the query's own cluster, say."""
    results = [result[dtype] for result in processes]
    whole = joined([result['features'] for result in results]).float()
    for rank, result in enumerate(results):
        query, pairs = result['pairs']
        labels = result['labels']
        torch.testing.assert_close(
            pairs['positive_similarity'],
            (query * whole[pairs['positive']]).sum(1))
        assert torch.equal(labels[pairs['positive']], labels[:5])
        negatives, valid = pairs['negatives'], pairs['valid']
        assert valid.any()
        assert (negatives % len(results) == rank).all()
        torch.testing.assert_close(
            pairs['negative_similarity'][valid],
            (query.unsqueeze(1) * whole[negatives]).sum(2)[valid])
        same = labels[negatives] == labels[:5].unsqueeze(1)
        assert torch.equal(same, ~valid)


def test_relations_are_those_to_the_whole_bank_s_rows(processes):
    """Without this, axes could be of a process's own rows, the row of a
    query's image be another's, or its own image among the candidates."""
    results = [result['relations'] for result in processes]
    rows = joined([result['features'] for result in results])
    for result in results[1:]:
        for name, value in results[0]['axes'].items():
            assert torch.equal(value, result['axes'][name])
    whitening = Whitening(64)
    whitening.load_state_dict(results[0]['axes'])
    compared = whitening(rows)
    for rank, result in enumerate(results):
        query, pairs = result['pairs']
        assert (pairs['negatives'] % len(results) == rank).all()
        torch.testing.assert_close(
            pairs['negative_similarity'],
            (query.unsqueeze(1) * rows[pairs['negatives']]).sum(2))
        own = pairs['negatives'] == torch.arange(5).unsqueeze(1)
        assert torch.equal(own, ~pairs['valid'])
        alike = (compared[:5].unsqueeze(1) *
                 compared[pairs['negatives']]).sum(2) / 0.05
        torch.testing.assert_close(
            pairs['weights'], alike.masked_fill(own, -torch.inf).softmax(1))
        torch.testing.assert_close(
            pairs['positive_similarity'],
            (pairs['weights'] * pairs['negative_similarity']).sum(1))


def test_axes_are_those_of_all_parts(processes):
    """Without this, each process could whiten its own rows alone: what
    all of them find together is what one finds that has all."""
    world = len(processes)
    results = [result['relations'] for result in processes]
    sampler = dict(type='RelationSampler', whitening_interval=3)
    alone = fill(branch_of('ClusteredBank', sampler=sampler))
    train(alone, slice(None), world)
    whitening = alone.sampler.whitening
    found = [alone.bank.features @ whitening.axes]
    torch.testing.assert_close(
        whitening.centre, results[0]['axes']['centre'], rtol=0, atol=1e-5)
    found.append(alone.bank.features @ results[0]['axes']['axes'])
    torch.testing.assert_close(
        *(each @ each.t() for each in found), rtol=0, atol=1e-3)


def test_the_loss_is_distributed_as_with_the_whole_bank(processes):
    """Without this, negatives of one part could be harder or easier than
    those of all images. Another pool is seen by the same test."""
    if len(processes) != 2:
        pytest.skip('drawn by two processes alone')
    whole = losses_of_trials('ClusteredBank')
    for result in processes:
        assert ks_2samp(whole, result['same']).pvalue > 0.05
        assert ks_2samp(whole, result['other pool']).pvalue < 1e-6

"""Random sequences of what can happen to a branch, and what must hold."""
import hashlib
import os
import re

import gloo
import torch
from hypothesis import strategies as st
from mmengine import dist

from interclr_plugin.inter_image import InterImageBranch, label_updaters

FEAT_DIM = 3
OPERATIONS = ('step', 'nan', 'repair', 'centroids', 'resume', 'recluster')


@st.composite
def settings_and_operations(draw):
    """Settings of a small branch, and up to 12 operations with a seed."""
    num_images = draw(st.integers(6, 40))
    num_clusters = draw(st.integers(2, min(6, num_images)))
    fraction = draw(st.sampled_from([0.3, 0.6, 1.0]))
    settings = dict(
        num_images=num_images,
        num_clusters=num_clusters,
        fraction=fraction,
        num_negatives=draw(
            st.integers(1, max(1, round(fraction * num_images) - 1))),
        strategy=draw(
            st.sampled_from(['semi-hard', 'hard', 'random', 'semi-easy'])),
        pool=draw(st.sampled_from(['exact', 'candidates'])),
        positives=draw(st.sampled_from(['all', 'others'])),
        geometry=draw(st.sampled_from(['plain', 'spherical'])),
        momentum=draw(st.sampled_from([0.3, 1.0])),
        most_cut=draw(st.sampled_from([4, 1 << 18])),
        min_size=draw(st.integers(0, num_images // num_clusters // 2)),
        seed=draw(st.integers(0, 999)))
    operations = draw(
        st.lists(
            st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 999)),
            max_size=12))
    return settings, operations


def build(settings):
    label_updaters._MOST_CUT = settings['most_cut']
    branch = InterImageBranch(
        num_clusters=settings['num_clusters'],
        feat_dim=FEAT_DIM,
        bank=dict(momentum=settings['momentum']),
        labels=dict(
            min_cluster_size=settings['min_size'],
            geometry=settings['geometry'],
            centroid_interval=10**6,
            small_cluster_interval=10**6),
        sampler=dict(
            strategy=settings['strategy'],
            pool=settings['pool'],
            positives=settings['positives'],
            num_negatives=settings['num_negatives'],
            pool_fraction=settings['fraction']))
    branch.allocate(settings['num_images'], settings['seed'])
    return branch


def play(settings, operations):
    """Do the operations, checking after each; give a digest of the end."""
    branch = build(settings)
    branch.fill()
    branch.first_clustering()
    check(branch, settings)
    assert branch.bank.sizes().min() >= 1
    for operation, seed in operations:
        branch = OPERATION[operation](branch, settings, seed)
        check(branch, settings)
    digest = hashlib.sha256()
    for _, buffer in sorted(branch.state_dict().items()):
        digest.update(buffer.numpy().tobytes())
    return digest.hexdigest()


def batch(settings, seed):
    # Other images on each process, some of them twice.
    generator = torch.Generator().manual_seed(1000 * seed + dist.get_rank())
    index = torch.randint(settings['num_images'], (4, ), generator=generator)
    query, key = torch.randn(2, 4, FEAT_DIM, generator=generator)
    return query.requires_grad_(), key, index


def step(branch, settings, seed):
    query, key, index = batch(settings, seed)
    labels = branch.bank.labels.clone()
    drawn = []
    compare = branch.sampler.compare
    branch.sampler.compare = lambda *args: drawn.append(
        compare(*args)) or drawn[-1]
    loss, _ = branch(query, key, index)
    del branch.sampler.compare
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(query.grad).all()
    pairs, = drawn
    assert torch.equal(labels[pairs.positive], labels[index])
    same = labels[pairs.negatives] == labels[index].unsqueeze(1)
    assert not (same & pairs.valid).any()
    for row, valid in zip(pairs.negatives, pairs.valid):
        assert len(row[valid].unique()) == valid.sum()
    return branch


def fault_of(branch):
    """The step that a stop of the run would name."""
    try:
        branch.faults.stop(branch.bank)
    except ValueError as error:
        return int(re.match(r'Step (\d+)', str(error))[1])


def nan(branch, settings, seed):
    query, key, index = batch(settings, seed)
    before = [buffer.clone() for buffer in (
        branch.bank.features, branch.bank.labels)]
    before_fault = fault_of(branch)
    key[seed % 4, 0] = float('nan')
    branch(query, key, index)
    assert torch.equal(branch.bank.features, before[0])
    assert torch.equal(branch.bank.labels, before[1])
    assert fault_of(branch) == (before_fault or branch.bank.random.step)
    return branch


def repair(branch, settings, seed):
    generator = torch.Generator().manual_seed(seed)
    branch.labels.repair_small_clusters(branch.bank, generator)
    sizes = branch.bank.sizes()
    assert sizes.min() >= max(settings['min_size'], 1)
    labels = branch.bank.labels.clone()
    branch.labels.repair_small_clusters(branch.bank, generator)
    assert torch.equal(labels, branch.bank.labels)
    return branch


def centroids(branch, settings, seed):
    before = branch.bank.centroids.clone()
    branch.bank.renew_centroids()
    for number in range(settings['num_clusters']):
        members = branch.bank.labels == number
        mean = branch.bank.features[members].mean(0) if members.any() \
            else before[number]
        torch.testing.assert_close(
            branch.bank.centroids[number], mean, atol=1e-6, rtol=1e-5)
    return branch


def resume(branch, settings, seed):
    again = build(dict(settings, seed=settings['seed'] + 1))
    again.load_state_dict(branch.state_dict())
    return again


def recluster(branch, settings, seed):
    branch.first_clustering()
    assert branch.bank.sizes().min() >= 1
    return branch


OPERATION = dict(
    step=step,
    nan=nan,
    repair=repair,
    centroids=centroids,
    resume=resume,
    recluster=recluster)


def check(branch, settings):
    norms = branch.bank.features.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    labels = branch.bank.labels
    assert 0 <= labels.min() and labels.max() < settings['num_clusters']
    assert branch.bank.sizes().sum() == settings['num_images']
    assert branch.bank.centroids.isfinite().all()


def serve(rank, store, connection):
    """Play what comes through a pipe, as one of two processes."""
    gloo.join(rank, 2, store)
    while True:
        request = connection.recv()
        if request is None:
            os._exit(0)
        connection.send(play(*request))

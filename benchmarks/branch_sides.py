"""The branch and its reference, under the same names, and their data."""
import torch
import torch.nn.functional as F
from reference_0x import Reference0x

from interclr_plugin.inter_image import (
    InterImageBranch,
    RelationLoss,
    RelationSampler,
)

FEAT_DIM = 128
MIN_CLUSTER_SIZE = 20


class Ours:
    """The package, with the names that the reference has."""

    def __init__(self, size, device='cpu'):
        self.branch = InterImageBranch(
            num_clusters=size['clusters'],
            feat_dim=FEAT_DIM,
            labels=dict(min_cluster_size=MIN_CLUSTER_SIZE),
            sampler=dict(
                num_negatives=size['negatives'],
                pool_fraction=size['pool'] / size['images'])).to(device)
        self.branch.allocate(size['images'], seed=0)
        self.bank = self.branch.bank
        self.features, self.labels = self.bank.features, self.bank.labels
        self.centroids = self.bank.centroids
        self.batch_size = size['batch']

    def use(self, strategy):
        sampler = self.branch.sampler
        sampler.strategy, _, pool = strategy.partition(', ')
        sampler.pool = pool or 'exact'

    def step(self, query, key, index):
        return self.branch(query, key, index)[0]

    def parts(self, query, key, index):
        """Do a step's parts one by one, naming each when it is done."""
        branch = self.branch
        query.requires_grad_()
        pairs = branch.sampler(
            F.normalize(query, dim=1), index, self.features, self.labels,
            self.bank.random.own(self.bank.features.device), self.bank.members)
        yield 'pairs'
        loss = branch.loss(pairs.positive_similarity,
                           pairs.negative_similarity, pairs.valid)
        yield 'loss'
        loss.backward()
        yield 'backward'
        branch.update(key, index)
        yield 'bank and labels'

    def floor(self):
        """Give what a step cannot do without: two products, their traffic."""
        draw = self.branch.sampler.draw(
            torch.zeros(1, dtype=torch.long, device=self.labels.device),
            self.bank.rows, self.labels,
            self.bank.random.own(self.labels.device), self.bank.members)
        rows = self.features
        if draw.candidates is not None:
            rows = rows[draw.candidates]
        products = rows.new_empty(self.batch_size, len(rows))

        def run(query):
            if draw.candidates is not None:
                torch.index_select(
                    self.features, 0, draw.candidates, out=rows)
            torch.mm(query, rows.t(), out=products)
            return products @ rows

        return run

    def update(self, key, index):
        self.branch.update(key, index)

    def restore(self, labels, centroids):
        self.bank.load(labels=labels, centroids=centroids)
        # Otherwise the next call would first make these anew.
        assert self.bank.sums and self.bank.members

    def update_centroids(self):
        self.bank.renew_centroids()

    def repair_small_clusters(self):
        self.branch.labels.repair_small_clusters(
            self.bank, self.bank.shared())


class Relations:
    """The same branch with a sampler of relations, a step at a time."""

    def __init__(self, ours):
        self._ours = ours
        self._parts = RelationSampler(), RelationLoss()
        self._parts[0].allocate(ours.bank.num_images)
        self.look()

    def look(self):
        self._parts[0].look(self._ours.bank)

    def step(self, query, key, index):
        branch = self._ours.branch
        before = branch.sampler, branch.loss
        branch.sampler, branch.loss = self._parts
        loss = self._ours.step(query, key, index)
        branch.sampler, branch.loss = before
        return loss


class Theirs(Reference0x):

    def __init__(self, size):
        super().__init__(
            torch.zeros(size['images'], FEAT_DIM),
            torch.zeros(size['images'], dtype=torch.long),
            torch.zeros(size['clusters'], FEAT_DIM),
            strategy='semi-hard',
            num_negatives=size['negatives'],
            pool_size=size['pool'],
            min_cluster_size=MIN_CLUSTER_SIZE)

    def use(self, strategy):
        self.strategy = strategy.partition(', ')[0]  # it has one pool

    def parts(self, query, key, index):
        pairs = self.pairs(F.normalize(query.requires_grad_(), dim=1), index)
        yield 'pairs'
        loss = self.contrast(*pairs)
        yield 'loss'
        loss.backward()
        yield 'backward'
        self.update(key, index)
        yield 'bank and labels'

    def restore(self, labels, centroids):
        self.labels.copy_(labels)
        self.centroids.copy_(centroids)


def build(side, size, device='cpu'):
    """One side, its bank full of clusters."""
    result = Ours(size, device) if side == 'ours' else Theirs(size)
    draw = torch.Generator().manual_seed(0)
    # Half of the images are shared out evenly, so that no cluster is small.
    half = torch.arange(size['images'] // 2) % size['clusters']
    rest = torch.randint(
        size['clusters'], (size['images'] - len(half), ), generator=draw)
    labels = torch.cat((half, rest))
    result.restore(labels.to(result.labels), result.centroids)
    centres = torch.randn(size['clusters'], FEAT_DIM, generator=draw)
    for rows, labels in zip(
            result.features.split(50000), result.labels.split(50000)):
        noise = torch.randn(rows.shape, generator=draw)
        rows.copy_(F.normalize(centres[labels.cpu()] + noise, dim=1))
    result.restore(result.labels, result.centroids)
    result.update_centroids()
    return result


def make_batches(size, features, count):
    """Raw queries and keys near the rows of some images."""
    draw = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        index = torch.randperm(size['images'], generator=draw)[:size['batch']]
        noise = torch.randn(2, size['batch'], FEAT_DIM, generator=draw)
        index = index.to(features.device)
        query, key = 10 * (features[index] + 0.05 * noise.to(features))
        batches.append((query, key, index))
    return batches


def with_small_clusters(labels, size, count):
    """Leave some clusters with half of the least allowed size."""
    draw = torch.Generator().manual_seed(2)
    labels = labels.clone()
    clusters = size['clusters']
    for cluster in torch.randperm(
            clusters, generator=draw)[:count].tolist():
        members = (labels == cluster).nonzero().flatten()
        away = members[MIN_CLUSTER_SIZE // 2:]
        labels[away] = torch.randint(clusters, (len(away), ), generator=draw)
    return labels

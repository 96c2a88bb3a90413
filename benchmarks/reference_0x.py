"""The branch as mmselfsup 0.x computed it, for comparison.

Written from its description (docs/method.md 4, 9.4 and 10), not from its code:
for each image a scan of all labels and a draw in Python, gathered negatives, a
loop over clusters for the centroids, small clusters one at a time. Where the
released code draws without end, this one gives up after 100 rounds.
"""
import torch
import torch.nn.functional as F

_REDRAWS = 100


class Reference0x:
    """Bank, labels and pairs in one object.

    Args:
        features (Tensor): (N, D) unit rows; written to.
        labels (Tensor): (N,) cluster numbers; written to.
        centroids (Tensor): (C, D); written to.
        strategy (str): 'random', 'semi-hard', 'semi-easy' or 'hard'.
        num_negatives (int): K.
        pool_size (int): P.
        min_cluster_size (int): Clusters below are dissolved.
    """

    def __init__(self,
                 features,
                 labels,
                 centroids,
                 *,
                 strategy,
                 num_negatives,
                 pool_size,
                 min_cluster_size,
                 momentum=1.0,
                 margin=-0.5,
                 temperature=0.2):
        self.features, self.labels = features, labels
        self.centroids = centroids
        self.strategy = strategy
        self.num_negatives, self.pool_size = num_negatives, pool_size
        self.min_cluster_size = min_cluster_size
        self.momentum, self.margin = momentum, margin
        self.temperature = temperature

    def step(self, query, key, index):
        """The loss of a batch of raw queries; then store its keys."""
        loss = self.contrast(*self.pairs(F.normalize(query, dim=1), index))
        self.update(key, index)
        return loss

    def pairs(self, query, index):
        """Similarities of positives (B, 1) and negatives (B, K)."""
        positive = self.features[self.draw_positives(index)]  # (B, D)
        negatives = self.features[self.draw_negatives(
            query.detach(), index)]  # (B, K, D)
        return ((query * positive).sum(1, keepdim=True),
                torch.einsum('bd,bkd->bk', query, negatives))

    def contrast(self, positive, negative):
        """The loss of these similarities."""
        logits = torch.cat((positive - self.margin, negative), 1)
        target = torch.zeros(
            len(logits), dtype=torch.long, device=logits.device)
        return F.cross_entropy(logits / self.temperature, target)

    @torch.no_grad()
    def update(self, key, index):
        """Blend the keys into the bank and label these images anew."""
        mixed = ((1 - self.momentum) * self.features[index] +
                 self.momentum * F.normalize(key, dim=1))
        rows = F.normalize(mixed, dim=1)
        self.features[index] = rows
        labels = (self.centroids @ rows.t()).argmax(0)
        changed = (labels != self.labels[index]).float().mean()
        self.labels[index] = labels
        return changed

    def draw_positives(self, index):
        """One image of the same cluster for each image."""
        drawn = []
        for label in self.labels[index]:
            members = (self.labels == label).nonzero().flatten()
            drawn.append(members[torch.randint(len(members), (1, ))])
        return torch.cat(drawn)

    def draw_negatives(self, query, index):
        """K images of other clusters for each image, (B, K)."""
        labels = self.labels[index]
        num_images = len(self.labels)
        if self.strategy == 'random':
            drawn = torch.randint(num_images, (len(index), self.num_negatives))
            return torch.stack([
                self._redraw(row, label, torch.arange(num_images))
                for row, label in zip(drawn, labels)
            ])
        similarity = query @ self.features.t()  # (B, N)
        if self.strategy == 'hard':
            spare = int(torch.bincount(self.labels).max())
            ranked = similarity.topk(self.num_negatives + spare, 1).indices
            return torch.stack([
                row[self.labels[row] != label][:self.num_negatives]
                for row, label in zip(ranked, labels)
            ])
        pools = similarity.topk(
            self.pool_size, 1, largest=self.strategy == 'semi-hard').indices
        drawn = []
        for pool, label in zip(pools, labels):
            places = torch.randperm(self.pool_size)[:self.num_negatives]
            drawn.append(self._redraw(pool[places], label, pool))
        return torch.stack(drawn)

    def _redraw(self, chosen, label, pool):
        """Draw again, from the pool, what has the image's own label."""
        for _ in range(_REDRAWS):
            same = (self.labels[chosen] == label).nonzero().flatten()
            if not len(same):
                break
            chosen[same] = pool[torch.randint(len(pool), (len(same), ))]
        return chosen

    @torch.no_grad()
    def update_centroids(self):
        """The mean of each cluster, one cluster at a time."""
        order = torch.argsort(self.labels)
        sizes = torch.bincount(self.labels, minlength=len(self.centroids))
        for cluster, members in enumerate(order.split(sizes.tolist())):
            if len(members):
                self.centroids[cluster] = self.features[members].mean(0)

    @torch.no_grad()
    def repair_small_clusters(self):
        """Dissolve small clusters and split the largest, one at a time."""
        sizes = torch.bincount(self.labels, minlength=len(self.centroids))
        small = (sizes < self.min_cluster_size).nonzero().flatten().tolist()
        if not small:
            return
        large = (sizes >= self.min_cluster_size).nonzero().flatten()
        for cluster in small:
            members = (self.labels == cluster).nonzero().flatten()
            if len(members):
                nearest = (self.features[members]
                           @ self.centroids[large].t()).argmax(1)
                self.labels[members] = large[nearest]
        for cluster in small:
            largest = int(torch.bincount(self.labels).argmax())
            members = (self.labels == largest).nonzero().flatten()
            second = _two_means(self.features[members])
            self.labels[members[second]] = cluster
            for each in (cluster, largest):
                members = (self.labels == each).nonzero().flatten()
                self.centroids[each] = self.features[members].mean(0)


def _two_means(features, rounds=20):
    """Which rows belong to the second of two clusters."""
    start = torch.randperm(len(features))[:2]
    centres = features[start]
    for _ in range(rounds):
        second = torch.cdist(features, centres).argmin(1) == 1
        if not 0 < int(second.sum()) < len(features):
            second = torch.zeros_like(second)
            second[torch.randperm(len(features))[:len(features) // 2]] = True
            return second
        centres = torch.stack((features[~second].mean(0),
                               features[second].mean(0)))
    return second

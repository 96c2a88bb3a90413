"""Ideas on trial: subclasses that arms of the panel name.

None is part of the package. What shows itself on the validation folds of two
sets or more moves there, as a named option with tests; the rest stays here
with its figures in README.md, until nobody needs to repeat it.
"""
from typing import Tuple

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from interclr_plugin.inter_image import (
    ClusteredBank,
    MarginNCELoss,
    OnlineKMeans,
    PairSampler,
    RelationLoss,
    RelationSampler,
    kmeans,
)
from interclr_plugin.inter_image.pair_sampler import Draw, Pairs
from interclr_plugin.inter_image.relation_sampler import Relations
from interclr_plugin.inter_image.rows import Rows

SPACES = ('plain', 'centred', 'whitened')
REACHES = ('all', 'cluster', 'candidates')
_BEYOND = 2.
# Rows that the axes are computed from: enough for 64 of them, and no more
# where the bank is larger.
_SAMPLE = 16384


def space_of(features: Tensor, space: str, axes: int) -> tuple:
    """Find the centre and the axes in which rows are compared.

    Args:
        features (Tensor): (n, D) unit rows.
        space (str): One of ``SPACES``.
        axes (int): A, of the largest variance, that 'whitened' keeps.

    Returns:
        tuple[Tensor, Tensor]: (D,) and (D, D or A); a row r is compared as
        the unit vector along (r - centre) @ axes.
    """
    centre = features.mean(0)
    identity = torch.eye(features.shape[1])
    if space == 'plain':
        return torch.zeros_like(centre), identity
    if space == 'centred':
        return centre, identity
    rows = features - centre
    variance, vectors = torch.linalg.eigh(rows.t() @ rows / len(rows))
    variance, vectors = variance[-axes:], vectors[:, -axes:]
    # An axis without variance stays without weight.
    scale = variance.clamp(min=1e-6 * float(variance[-1])).rsqrt()
    return centre, vectors * scale


@MODELS.register_module()
class TwoBanks(ClusteredBank):
    """Averages of each image's keys, and its latest key beside them.

    Labels and neighbours come of the averages, which know more; what a query
    agrees with and what it leaves are the latest keys, since averages hold a
    network back that learns quickly.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.latest = self.features.clone()
        NeighbourSampler.banks = self

    def fill(self, features: Tensor, rows: slice = slice(None)) -> None:
        super().fill(features, rows)
        self.latest = self.features.clone()

    def blend(self, index: Tensor, key: Tensor) -> Tensor:
        rows = super().blend(index, key)
        self.latest[index] = F.normalize(key, dim=1)
        return rows

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + 'latest'] = self.latest

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if prefix + 'latest' in state_dict:
            self.latest = state_dict[prefix + 'latest'].clone()


@MODELS.register_module()
class NeighbourSampler(PairSampler):
    """Draw the positive among the few nearest images in a better space.

    Args:
        neighbours (int): k, among which the positive is drawn uniformly.
        space (str): What nearness means: of the bank's rows as they are, less
            their mean, or whitened.
        axes (int): That whitening keeps.
        reach (str): Where neighbours are looked for: 'all' images, those of
            the query's 'cluster', or the drawn 'candidates'.
        query (str): What neighbours are near to: the query's own 'row', or
            the 'view' itself.
        refresh (int): Steps between two looks at the axes.
        excluded (str): What is no negative: images of the query's 'cluster'
            as released; those and images of the 'positive' one's cluster;
            or the 'neighbours' alone.
        target (str): What the query agrees with: one neighbour, by 'draw',
            or a unit row: the 'mean' of all k, or their 'soft' mean, weighed
            by how near they are, exp(similarity / softness).
        softness (float): The nearer to 0, the more the nearest counts.
        itself (bool): Whether the image's own row is one more neighbour.
        weigh (bool): Whether queries whose neighbours are nearer than those
            of others in the batch count more, from 0 to 2 by rank.
        average (float): Where it is above 0, neighbours are looked for among
            averages of each image's rows, the newest with this weight, while
            the query agrees with the bank's rows, which can then be new ones.
        num_images (int): N, for the averages.
        feat_dim (int): D.
    """

    banks = None  # the TwoBanks of the run

    def __init__(self, *, neighbours: int = 5, space: str = 'whitened',
                 axes: int = 64, reach: str = 'all', query: str = 'row',
                 refresh: int = 40, excluded: str = 'cluster',
                 target: str = 'draw', itself: bool = False,
                 weigh: bool = False, softness: float = 0.2,
                 average: float = 0., num_images: int = 0,
                 feat_dim: int = 128, **kwargs) -> None:
        super().__init__(**kwargs)
        assert space in SPACES and reach in REACHES
        self.neighbours, self.space, self.axes = neighbours, space, axes
        self.reach, self.near, self.refresh = reach, query, refresh
        self.excluded = excluded
        self.target, self.itself, self.weigh = target, itself, weigh
        self.softness, self.average = softness, average
        self.register_buffer(
            'averages', torch.zeros(num_images if average else 0, feat_dim))
        width = min(axes, feat_dim) if space == 'whitened' else feat_dim
        self.register_buffer('centre', torch.zeros(feat_dim))
        self.register_buffer('basis', torch.zeros(feat_dim, width))
        self.register_buffer('calls', torch.zeros((), dtype=torch.long))

    def compare(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: Draw) -> Pairs:
        with torch.no_grad():
            searched = features
            if self.average:
                searched = self.averaged(index, features)
            if self.banks is not None:
                features = self.banks.latest
            self.renew(searched)
            near, values = self.nearest(query, index, searched, labels, draw)
            if self.itself:
                near = torch.cat((index.unsqueeze(1), near), 1)
                values = F.pad(values, (1, 0), value=1.)
            # The drawn member's number stands for a place among them.
            lot = torch.rand(
                len(index), generator=self._generator(index))
            count = (near >= 0).sum(1)
            place = (lot * count).long().unsqueeze(1)
            positive = near.gather(1, place).squeeze(1)
            positive = torch.where(count > 0, positive, draw.positive)
            if self.weigh:
                rank = values.mean(1).argsort().argsort().float()
                WeighedNCELoss.weight = (2 * rank + 1) / len(rank)
        self.near_now = near
        draw = draw._replace(positive=positive)
        if self.excluded == 'cluster':
            pairs = super().compare(query, index, features, labels, draw)
        else:
            pairs = self._compare(query, index, features, labels, draw)
        if self.target != 'draw':
            there = (near >= 0).unsqueeze(2).float()
            if self.target == 'soft':
                there *= (values / self.softness).exp().unsqueeze(2)
            rows = F.normalize(
                (features[near.clamp(min=0)].float() * there).sum(1), dim=1)
            rows = torch.where((count > 0).unsqueeze(1), rows,
                               features[positive].float())
            pairs = pairs._replace(positive_similarity=(query * rows).sum(1))
        return pairs

    def renew(self, searched: Tensor) -> None:
        """Count a step, and renew centre and axes when it is time."""
        if self.calls % self.refresh == 0:
            centre, basis = space_of(searched.float(), self.space, self.axes)
            self.centre.copy_(centre)
            self.basis.copy_(basis)
        self.calls += 1

    def averaged(self, index: Tensor, features: Tensor) -> Tensor:
        """Take up the rows of the batch's images, written a pass ago."""
        if self.calls == 0:
            self.averages.copy_(features)
        weight = self.average
        self.averages[index] = F.normalize(
            (1 - weight) * self.averages[index] + weight * features[index],
            dim=1)
        return self.averages

    def _generator(self, index: Tensor) -> torch.Generator:
        seed = int(self.calls) * 1_000_003 + int(index[0])
        return torch.Generator().manual_seed(seed)

    def within(self, rows: Tensor) -> Tensor:
        """Turn rows, (n, D), into those that are compared, (n, A)."""
        return F.normalize((rows.float() - self.centre) @ self.basis, dim=1)

    def nearest(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: Draw) -> Tuple[Tensor, Tensor]:
        """Find the k nearest other images, (B, k), -1 where there are less;
        and how near they are.
        """
        rows = features[index] if self.near == 'row' else query
        similarity = self.within(rows) @ self.within(features).t()
        similarity[torch.arange(len(index)), index] = -_BEYOND
        if self.reach == 'cluster':
            similarity.masked_fill_(labels != labels[index].unsqueeze(1),
                                    -_BEYOND)
        elif self.reach == 'candidates':
            others = torch.ones(len(labels), dtype=torch.bool)
            others[draw.candidates] = False
            similarity[:, others] = -_BEYOND
        values, near = similarity.topk(self.neighbours, 1)
        return torch.where(values > -_BEYOND, near, -1), values

    def _compare(self, query: Tensor, index: Tensor, features: Tensor,
                 labels: Tensor, draw: Draw) -> Pairs:
        """Compare as released, with other images left out."""
        positive, candidates = draw.positive, draw.candidates
        similarity = query @ features[candidates].float().t()  # (B, M)
        out = candidates == index.unsqueeze(1)
        for column in range(self.near_now.shape[1]):
            out |= candidates == self.near_now[:, column:column + 1]
        row_labels = labels[candidates]
        if self.excluded == 'positive':
            out |= row_labels == labels[index].unsqueeze(1)
            out |= row_labels == labels[positive].unsqueeze(1)
        hidden = similarity.detach().masked_fill(out, -_BEYOND)
        columns = hidden.topk(self.num_negatives, 1, sorted=False).indices
        return Pairs(positive, candidates[columns],
                     ~out.gather(1, columns),
                     (query * features[positive].float()).sum(1),
                     similarity.gather(1, columns))


@MODELS.register_module()
class WeighedNCELoss(MarginNCELoss):
    """MarginNCELoss, where the sampler says how much a query counts."""

    weight = None

    def forward(self, positive: Tensor, negatives: Tensor,
                valid: Tensor) -> Tensor:
        moved = positive - self.margin
        logits = torch.cat((moved.unsqueeze(1), negatives), 1)
        logits = logits / self.temperature
        slots = F.pad(valid, (1, 0), value=True)
        logits = logits.masked_fill(~slots, -torch.inf)
        target = torch.zeros_like(logits[:, 0], dtype=torch.long)
        loss = F.cross_entropy(logits, target, reduction='none')
        return (loss * self.weight).mean()


@MODELS.register_module()
class ConfidentRelations(RelationSampler):
    """Relations, where queries count more whose own image is more alike to a
    few others: from 0 to 2 by rank within the batch.

    Args:
        ramp_steps (int): Steps until it counts in full. Defaults to 0: it
            does from the start.
    """

    loss = 'WeighedRelationLoss'

    def __init__(self, *, ramp_steps: int = 0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.ramp_steps = ramp_steps
        self.register_buffer('share', torch.tensor(1. - bool(ramp_steps)))

    def compare(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: Relations) -> Pairs:
        pairs = super().compare(query, index, features, labels, draw)
        entropy = torch.special.entr(pairs.weights).sum(1)
        rank = (-entropy).argsort().argsort().float()
        WeighedRelationLoss.weight = (
            1 - self.share + self.share * (2 * rank + 1) / len(rank))
        return pairs

    def after_step(self, bank: ClusteredBank) -> None:
        super().after_step(bank)
        if self.ramp_steps:
            self.share.fill_(min(1., bank.random.step / self.ramp_steps))


@MODELS.register_module()
class WeighedRelationLoss(RelationLoss):
    """RelationLoss, where the sampler says how much a query counts."""

    weight = None

    def forward(self, positive: Tensor, negatives: Tensor,
                valid: Tensor) -> Tensor:
        logits = negatives.masked_fill(~valid, -torch.inf) / self.temperature
        loss = logits.logsumexp(1) - positive / self.temperature
        return (loss * self.weight).mean()


@MODELS.register_module()
class GroupSampler(PairSampler):
    """Each query against the groups that k-means makes of the batch's keys:
    its own key's group attracts, the others repel.

    That a view is told from the other view's groups is of CLD, Wang et al.,
    CVPR 2021. The bank plays no part.

    Args:
        groups (int): G.
    """

    keys = None  # (B, D) this step's, which `lend` gives

    def __init__(self, *, groups: int = 8, **kwargs) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def compare(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: Draw) -> Pairs:
        keys, self.keys = self.keys, None
        if keys is None:  # looked at between two steps
            keys = features[index]
        keys = F.normalize(keys.float(), dim=1)
        seed = torch.Generator().manual_seed(int(index[0]))
        groups, _ = kmeans.fit(
            Rows(keys), min(self.groups, len(keys)), seed)
        sums = keys.new_zeros(int(groups.max()) + 1, keys.shape[1])
        centres = F.normalize(sums.index_add_(0, groups, keys), dim=1)
        similarity = query @ centres.t()  # (B, G)
        own = groups.unsqueeze(1) == torch.arange(len(centres))
        # For the shares of right pairs: an image that is of the group.
        member = torch.zeros_like(groups[:len(centres)])
        member[groups] = index
        return Pairs(member[groups], member.expand(len(query), -1), ~own,
                     similarity[own], similarity)


@MODELS.register_module()
class FeatureBank(ClusteredBank):
    """Beside the bank, each image's pooled features, averaged, through a
    fixed random projection to D numbers: `lend` gives them.
    """

    features_now = None  # (B, F) this step's

    def __init__(self, *, feat_dim: int, **kwargs) -> None:
        super().__init__(feat_dim=feat_dim, **kwargs)
        self.seen = Rows(torch.zeros(0, feat_dim))
        FeatureRelations.bank = self

    def fill(self, features: Tensor, rows: slice = slice(None)) -> None:
        super().fill(features, rows)
        # Until an image is seen its projection stands in.
        self.seen = Rows(self.features.float().clone())

    def blend(self, index: Tensor, key: Tensor) -> Tensor:
        if self.features_now is not None:
            features = self.features_now
            projection = torch.randn(
                features.shape[1], key.shape[1],
                generator=torch.Generator().manual_seed(0))
            new = F.normalize(features.float() @ projection, dim=1)
            self.seen.put(index, F.normalize(torch.lerp(
                self.seen.take(index), new, self.momentum), dim=1))
        return super().blend(index, key)

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + 'seen'] = self.seen.held

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if prefix + 'seen' in state_dict:
            self.seen = Rows(state_dict[prefix + 'seen'].clone())


@MODELS.register_module()
class FeatureRelations(RelationSampler):
    """Relations that features of the backbone tell, not the projections."""

    bank = None  # the FeatureBank of the run

    def draw(self, index, rows, labels, generator, members=None) -> Relations:
        drawn = super().draw(index, rows, labels, generator, members)
        seen = self.bank.seen
        return drawn._replace(
            own=self.whitening(seen.take(index)),
            whitened=self.whitening(seen.take(drawn.index)))

    def look(self, bank: ClusteredBank) -> None:
        self.whitening.fit(bank.seen, bank.shared())


def lend(model: nn.Module) -> None:
    """Give trials what of a step the branch does not hand on."""
    branch = model.inter_image
    if isinstance(branch.sampler, GroupSampler):
        branch.register_forward_pre_hook(
            lambda _, given: setattr(branch.sampler, 'keys', given[1]))
    if isinstance(branch.bank, FeatureBank):
        # Of the queries: MoCo's keys are shuffled.
        model.neck.register_forward_pre_hook(
            lambda _, given: setattr(branch.bank, 'features_now',
                                     given[0][-1].detach().mean((2, 3))))


@MODELS.register_module()
class WhitenedKMeans(OnlineKMeans, nn.Module):
    """Online labels of whitened rows; the centroids stay plain means.

    A mean commutes with the whitening, so that only what rows are compared
    with changes: with A axes W and centre m, a row r and a centroid c meet as
    (r - m) W and the unit vector along (c - m) W.

    Args:
        axes (int): A.
        feat_dim (int): D.
    """

    def __init__(self, *, axes: int = 64, feat_dim: int = 128,
                 **kwargs) -> None:
        nn.Module.__init__(self)
        OnlineKMeans.__init__(self, **kwargs)
        self.axes = min(axes, feat_dim)
        self.register_buffer('centre', torch.zeros(feat_dim))
        self.register_buffer('basis', torch.zeros(feat_dim, self.axes))

    def look(self, features: Tensor) -> None:
        centre, basis = space_of(features.float(), 'whitened', self.axes)
        self.centre.copy_(centre)
        self.basis.copy_(basis)

    def first_clustering(self, bank, generator,
                         progress=lambda: None) -> None:
        self.look(bank.features)
        rows = F.normalize((bank.features.float() - self.centre) @ self.basis,
                           dim=1)
        labels, _ = kmeans.fit(Rows(rows), self.num_clusters, generator,
                               progress=progress)
        bank.load(labels=labels)
        bank.renew_centroids()

    def compared_centroids(self, bank) -> Tensor:
        units = F.normalize((bank.centroids - self.centre) @ self.basis,
                            dim=1)
        return units @ self.basis.t()  # (C, D)

    def assign(self, bank, index: Tensor, rows: Tensor) -> Tensor:
        compared = self.compared_centroids(bank)
        return kmeans.assign(rows, compared, bias=-compared @ self.centre)

    def after_step(self, bank, step: int, generator) -> None:
        super().after_step(bank, step, generator)
        if step % self.centroid_interval == 0:
            self.look(bank.features)

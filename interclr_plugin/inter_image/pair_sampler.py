"""Which image agrees with a query, and which ones disagree."""
from typing import Optional

import torch
from mmengine.registry import MODELS
from torch import Tensor

from ..settings import check_known, written_in
from .members import Members
from .pairs import Draw, Pairs
from .random_stream import draw_subset
from .rows import Rows
from .sampler import Sampler
from .similarities import Chosen, Similarities, choose

# The released sizes on ImageNet; smaller data sets get smaller ones.
_RELEASED_NEGATIVES = 16384
# No cosine, and finite.
_BEYOND = 2.


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(sampler=dict({})))')
class PairSampler(Sampler):
    """Draw a positive and K negatives for each image of a batch.

    The positive is drawn uniformly among the images with the query's label. A
    negative never has the query's label: images that do are masked before
    anything is ranked, so the draw always ends. Where fewer than K images are
    left, the free slots are marked in ``valid``; ``'random'`` and the pool of
    candidates look at a part of the bank, so they may mark some as soon as
    the query's cluster holds about half of the data set.

    Args:
        strategy (str): ``'semi-hard'`` draws uniformly, without repeats, from
            the pool of the P most similar images, ``'semi-easy'`` from the P
            least similar, ``'random'`` from all, ``'hard'`` takes the K most
            similar. Defaults to ``'semi-hard'``.
        num_negatives (int, optional): K. Defaults to None: 16,384 as
            released, or half of the pool where the data set is too small for
            that.
        pool_fraction (float): P / N, in (0, 1]. Defaults to 0.1.
        pool (str): How the two semi strategies find their pool.
            ``'candidates'`` draws K / pool_fraction images for the whole
            batch, one from each of as many equal parts of the data set's
            order, and takes the K nearest (or furthest) of them: as the
            pool's draw up to sampling error, at a cost that does not grow
            with N. ``'exact'`` ranks all images, as released. Defaults to
            ``'candidates'``.
        positives (str): ``'others'`` never draws the query's own stale row,
            unless it is alone in its cluster; ``'all'`` may, as released.
            Defaults to ``'all'``.

    Raises:
        ValueError: If an argument is outside its range, or (from
            :meth:`allocate`) K is impossible for the data set.

    Source: docs/method.md 4; Xie et al., IJCV 2022, section 3.3.
    """

    STRATEGIES = ('semi-hard', 'hard', 'random', 'semi-easy')
    POOLS = ('candidates', 'exact')
    POSITIVES = ('all', 'others')

    def __init__(self,
                 *,
                 strategy: str = 'semi-hard',
                 num_negatives: Optional[int] = None,
                 pool_fraction: float = 0.1,
                 pool: str = 'candidates',
                 positives: str = 'all') -> None:
        super().__init__()
        for name, value, known in (('strategy', strategy, self.STRATEGIES),
                                   ('pool', pool, self.POOLS),
                                   ('positives', positives, self.POSITIVES)):
            check_known(name, value, known,
                        'inter_image=dict(sampler=dict({}))')
        if num_negatives is not None and (num_negatives < 1 or
                                          num_negatives != int(num_negatives)):
            raise ValueError(
                f'num_negatives={num_negatives} must be a whole number, at '
                'least 1. Change inter_image=dict(sampler=dict('
                'num_negatives=...)).')
        if not 0 < pool_fraction <= 1:
            raise ValueError(
                f'pool_fraction={pool_fraction} is outside (0, 1]. Change '
                'inter_image=dict(sampler=dict(pool_fraction=...)).')
        self.strategy = strategy
        self.pool = pool
        self.positives = positives
        self.pool_fraction = pool_fraction
        self._asked_negatives = num_negatives
        self.num_negatives = 0
        self.pool_size = 0
        self._similarities = Similarities()

    def allocate(self, num_images: int, held: Optional[int] = None) -> None:
        held = num_images if held is None else held
        if self.strategy == 'hard' and held < num_images:
            raise ValueError(
                "strategy='hard' takes the most similar of all images, and a "
                f'process holds {held} of {num_images}. Change inter_image='
                "dict(sampler=dict(strategy='semi-hard')), or inter_image="
                "dict(bank=dict(type='ClusteredBank')).")
        pool = max(1, round(self.pool_fraction * held))
        negatives = self._asked_negatives
        if negatives is None:
            negatives = max(1, min(_RELEASED_NEGATIVES, pool // 2))
        semi = self.strategy in ('semi-hard', 'semi-easy')
        allowed = pool if semi else held - 1
        if negatives > allowed:
            raise ValueError(
                f'num_negatives={negatives} is impossible: {held} '
                f'images with pool_fraction={self.pool_fraction} and strategy='
                f'{self.strategy!r} leave 1 to {allowed}. Change inter_image='
                'dict(sampler=dict(num_negatives=..., pool_fraction=...)).')
        self.num_negatives, self.pool_size = negatives, pool

    def draw(self,
             index: Tensor,
             rows: Rows,
             labels: Tensor,
             generator: torch.Generator,
             members: Optional[Members] = None) -> Draw:
        positive = (members or Members(labels)).draw(
            labels[index].long(),
            labels,
            generator,
            exclude=index if self.positives == 'others' else None)
        candidates = random = None
        held = len(rows.held)
        semi = self.strategy in ('semi-hard', 'semi-easy')
        if semi and self.pool == 'candidates':
            count = round(self.num_negatives / self.pool_fraction)
            candidates = draw_subset(held, min(count, held), generator)
        elif semi:
            # One random number for each place of the pool, shared by the
            # batch: each row's draw is still uniform, at a B-th of the cost.
            random = torch.rand(
                self.pool_size, generator=generator, device=labels.device)
        elif self.strategy == 'random':
            # Twice K leave K valid ones unless the query's own cluster holds
            # about half of the data set. In random order, to take the first.
            count = min(held, 2 * self.num_negatives)
            order = torch.randperm(
                count, generator=generator, device=labels.device)
            candidates = draw_subset(held, count, generator)[order]
        elsewhere = held < len(rows)
        return Draw(positive,
                    rows.take(positive) if elsewhere else None, candidates,
                    rows.numbers(candidates), random)

    def compare(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: Draw) -> Pairs:
        query_labels = labels[index].unsqueeze(1)  # (b, 1)
        positive_rows = draw.positive_rows
        if positive_rows is None:
            positive_rows = features[draw.positive]
        positive_similarity = (query * positive_rows.float()).sum(1)
        row_labels = labels if draw.index is None else labels[draw.index]
        with torch.no_grad():
            rows, similarity = self._similarities(query, features,
                                                  draw.candidates)
            same = row_labels == query_labels
            columns = self._select(similarity, same, draw.random)
            chosen = similarity.gather(1, columns)
        negatives = columns if draw.index is None else draw.index[columns]
        return Pairs(draw.positive, negatives, ~same.gather(1, columns),
                     positive_similarity,
                     Chosen.apply(query, rows, columns, chosen, similarity))

    def _select(self, similarity: Tensor, same: Tensor,
                random: Optional[Tensor]) -> Tensor:
        """Choose K of M columns for each row: (b, M) to (b, K).

        ``similarity`` is written to, where ``same`` forbids an image.
        """
        if self.strategy == 'random':
            return torch.argsort(
                same.to(torch.uint8), dim=1,
                stable=True)[:, :self.num_negatives]
        largest = self.strategy != 'semi-easy'
        similarity.masked_fill_(same, -_BEYOND if largest else _BEYOND)
        semi_exact = random is not None
        count = self.pool_size if semi_exact else self.num_negatives
        pool = choose(similarity, count, largest)
        if not semi_exact:
            return pool
        random = random.masked_fill(same.gather(1, pool), -1)  # (b, P)
        return pool.gather(1, choose(random, self.num_negatives))

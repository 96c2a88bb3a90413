"""How alike a query shall be to each of many images."""
from typing import NamedTuple, Optional

import torch
from mmengine.registry import MODELS
from torch import Tensor

from ..settings import check_least, written_in
from .clustered_bank import ClusteredBank
from .members import Members
from .pairs import Pairs
from .random_stream import draw_subset
from .rows import Rows
from .sampler import Sampler
from .whitening import Whitening

_MOST_CANDIDATES = 1 << 16
_PLACE = 'inter_image=dict(sampler=dict({}))'


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(sampler=dict({})))')
class RelationSampler(Sampler):
    """Compare with many images, and say how alike each is to the query's own.

    In the place of one positive drawn by a pseudo-label, each of M candidates
    counts, as much as its row is alike to the row of the query's image. That
    row averages the keys of many views (``bank=dict(momentum=0.2)``), so it
    knows more than any view, at no further pass of the network. Rows are
    compared in whitened axes. The query's own image is no candidate of it.
    Clusters play no part here; they are kept for what reads them.

    Args:
        num_candidates (int, optional): M, drawn for the whole batch.
            Defaults to None: half of the images, at most 65,536.
        target_temperature (float): Above 0; the lower, the more the nearest
            count. Defaults to 0.05.
        num_axes (int): A, that rows are whitened to; D where that is less.
            Defaults to 64.
        whitening_interval (int): Steps between two looks at the axes.
            Defaults to 40.

    Raises:
        ValueError: If an argument is outside its range, or (from
            :meth:`allocate`) M is impossible for the data set.

    Source: docs/method.md 4.7. That each of many images counts is of ReSSL,
    Zheng et al., NeurIPS 2021, whose weakly augmented view the averaged row
    stands in for.
    """

    loss = 'RelationLoss'

    def __init__(self,
                 *,
                 num_candidates: Optional[int] = None,
                 target_temperature: float = 0.05,
                 num_axes: int = 64,
                 whitening_interval: int = 40) -> None:
        super().__init__()
        check_least('num_candidates', num_candidates, 2, _PLACE)
        check_least('num_axes', num_axes, 1, _PLACE)
        check_least('whitening_interval', whitening_interval, 1, _PLACE)
        if not 0 < target_temperature < float('inf'):
            setting = _PLACE.format('target_temperature=...')
            raise ValueError(f'target_temperature={target_temperature} must '
                             f'be above 0 and finite. Change {setting}.')
        self.target_temperature = target_temperature
        self.whitening = Whitening(num_axes)
        self.whitening_interval = whitening_interval
        self._asked_candidates = num_candidates

    def allocate(self, num_images: int, held: Optional[int] = None) -> None:
        held = num_images if held is None else held
        candidates = self._asked_candidates
        if candidates is None:
            candidates = max(2, min(_MOST_CANDIDATES, held // 2))
        if candidates > held:
            setting = _PLACE.format('num_candidates=...')
            raise ValueError(
                f'num_candidates={candidates} is impossible: a process holds '
                f'the rows of {held} images. Allowed: 2 to {held}. Change '
                f'{setting}.')
        self.num_negatives = candidates

    def draw(self,
             index: Tensor,
             rows: Rows,
             labels: Tensor,
             generator: torch.Generator,
             members: Optional[Members] = None) -> 'Relations':
        candidates = draw_subset(
            len(rows.held), self.num_negatives, generator)
        compared_with = rows.held.index_select(0, candidates).float()
        return Relations(
            self.whitening(rows.take(index)), self.whitening(compared_with),
            compared_with, rows.numbers(candidates))

    def compare(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: 'Relations') -> Pairs:
        own = draw.index == index.unsqueeze(1)  # (b, M)
        with torch.no_grad():
            alike = (draw.own / self.target_temperature) @ draw.whitened.t()
            target = alike.masked_fill_(own, -torch.inf).softmax(1)
        similarity = query @ draw.rows.t()
        return Pairs(draw.index[target.argmax(1)],
                     draw.index.expand(len(query), -1), ~own,
                     (target * similarity).sum(1), similarity, target)

    def look(self, bank: ClusteredBank) -> None:
        self.whitening.fit(bank.rows, bank.shared())

    def after_step(self, bank: ClusteredBank) -> None:
        if bank.random.step % self.whitening_interval == 0:
            self.look(bank)


class Relations(NamedTuple):
    """The images that a batch is compared with, and how its own rows are."""
    own: Tensor  # (B, A) unit rows of the queries' images, whitened
    whitened: Tensor  # (M, A) those of the candidates
    rows: Tensor  # (M, D) the candidates' rows
    index: Tensor  # (M,) whose they are

    def part(self, some: slice) -> 'Relations':
        """Give what is drawn for a part of the batch."""
        return self._replace(own=self.own[some])

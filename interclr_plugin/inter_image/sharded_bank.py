"""How a bank's rows are shared out over the processes, each holding a part."""
from typing import Any, Dict, Optional, Tuple

import torch
from mmengine import dist
from mmengine.registry import MODELS
from torch import Tensor

from ..distributed import fetch_rows
from ..settings import written_in
from .clustered_bank import ClusteredBank
from .rows import Rows


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(bank=dict({})))')
class ShardedMemoryBank(ClusteredBank):
    """Store a bank's rows once, over all processes, and not on each of them.

    Of W processes number r holds the rows of the images i with i % W = r. It
    draws negatives among these, and asks the others for the rows of positives
    and for those that a repair looks at. Labels and centroids are on every
    process, labels in the smallest type of integers that has room for C.

    On one process it does what :class:`ClusteredBank` does, to the bit. A
    checkpoint has a file of rows for each process beside it, and is resumed
    by any number of processes, with either bank.

    Args:
        num_clusters (int): C.
        feat_dim (int): D, width of the projection.
        momentum (float): As for :class:`ClusteredBank`.
        dtype (str): As for :class:`ClusteredBank`.

    Source: docs/method.md 4.6; docs/scaling.md.
    """

    def held_of(self, num_images: int) -> int:
        return num_images // dist.get_world_size()

    def _make_rows(self, held: Tensor) -> Rows:
        return ShardedRows(held, len(held))

    def _label_type(self, num_clusters: int) -> torch.dtype:
        return next(
            kind for kind in (torch.int8, torch.int16, torch.int32, torch.long)
            if num_clusters - 1 <= torch.iinfo(kind).max)

    def _load_from_state_dict(self, state_dict: Dict[str, Any], prefix: str,
                              *args) -> None:
        # What a process has saved for itself alone.
        rows = state_dict.get(f'{prefix}features')
        total = len(state_dict.get(f'{prefix}labels', ()))
        if isinstance(rows, Tensor) and len(rows) < total and len(
                rows) == _count(total):
            state_dict = {**state_dict, f'{prefix}features': _Own(rows, total)}
        super()._load_from_state_dict(state_dict, prefix, *args)


class ShardedRows(Rows):
    """Rows of N images, of which this process holds every W-th.

    Args:
        held (Tensor): (H, D) those of images r, r + W, r + 2 W, ...
        total (int): N.
    """

    def __init__(self, held: Tensor, total: int) -> None:
        super().__init__(held)
        self._total = total

    def __len__(self) -> int:
        return self._total

    def room(self, num_rows: int) -> 'ShardedRows':
        held = self.held.new_zeros(_count(num_rows), self.held.shape[1])
        return ShardedRows(held, num_rows)

    @property
    def part(self) -> slice:
        return _part(self._total)

    @property
    def own(self) -> Tensor:
        return self.held

    def mine(self, index: Tensor) -> Tuple[Tensor, Tensor]:
        world = dist.get_world_size()
        entries = (index % world == dist.get_rank()).nonzero().flatten()
        return entries, index[entries] // world

    def numbers(self, held: Optional[Tensor]) -> Optional[Tensor]:
        rank, world = dist.get_rank(), dist.get_world_size()
        if world == 1:
            return held
        if held is None:
            held = torch.arange(len(self.held), device=self.held.device)
        return held * world + rank

    def take(self, index: Tensor) -> Tensor:
        world = dist.get_world_size()
        if world == 1:
            return super().take(index)
        return fetch_rows(self.held, index % world, index // world)

    def put(self, index: Tensor, rows: Tensor) -> None:
        entries, places = self.mine(index)
        self.held[places] = rows[entries]

    def fill(self, rows: Tensor, images: slice) -> None:
        index = torch.arange(
            *images.indices(self._total), device=self.held.device)
        entries, places = self.mine(index)
        self.held[places] = rows.to(self.held)[entries]

    def share(self) -> None:
        pass

    def load(self, rows: Any) -> None:
        self._total = rows.shape[0]
        self.held = rows[self.part].to(self.held, copy=True)


class _Own:
    """A process's own rows, in the place of all."""

    def __init__(self, held: Tensor, total: int) -> None:
        self.shape = (total, held.shape[1])
        self._held = held

    def __getitem__(self, part: slice) -> Tensor:
        return self._held


def _part(total: int) -> slice:
    return slice(dist.get_rank(), total, dist.get_world_size())


def _count(total: int) -> int:
    return len(range(total)[_part(total)])

"""Whether the features use their room, or collapse."""
from typing import Dict, Optional

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..inter_image import InterImageBranch
from ..settings import check_least, written_in
from .measures import (
    alignment,
    effective_rank,
    relative_std,
    uniformity,
)
from .monitor import Monitor


@HOOKS.register_module()
@written_in()
class RepresentationMonitor(Monitor):
    """Log early signs of a collapse, from the memory bank's rows.

    ``representation/effective_rank``, the directions in use, from 1 to the
    projection's width D; ``representation/std``, the standard deviation of
    one coordinate over the images, on average, and
    ``representation/relative_std``, the same over 1 / sqrt(D), which is what
    unit rows that are spread evenly have; ``representation/uniformity``, 0 at
    a collapse and towards -4 where evenly spread. They are of the same random
    images each time. ``representation/alignment`` is the mean squared
    distance of the step's queries and keys, 0 to 4, over all processes; it is
    missing in steps without inter-image loss (warm-up), and where the key is
    the query itself (NPID, a neck of the branch's own).

    Args:
        interval (int): Steps between two measurements. Defaults to 50.
        num_rows (int): Rows to look at, at least 2; all of a smaller bank.
            Defaults to 2,048.

    Raises:
        ValueError: If an argument is outside its range.

    Source: RankMe, Garrido et al., ICML 2023; Wang and Isola, ICML 2020; the
    standard deviation as in SimSiam, Chen and He, CVPR 2021.
    """

    def __init__(self, *, interval: int = 50, num_rows: int = 2048) -> None:
        super().__init__(interval=interval)
        check_least('num_rows', num_rows, 2,
                    "dict(type='RepresentationMonitor', {})")
        self.num_rows = num_rows
        self._index: Optional[Tensor] = None

    def listen(self, branch: InterImageBranch) -> RemovableHandle:
        self._alignment: Optional[Tensor] = None
        return branch.register_forward_pre_hook(self._align)

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        bank = branch.bank
        if self._index is None:
            generator = torch.Generator().manual_seed(0)
            index = torch.randperm(bank.num_images, generator=generator)
            self._index = index[:self.num_rows].to(bank.labels.device)
        # Rows in half precision are not quite of unit length.
        rows = F.normalize(bank.rows.take(self._index).float(), dim=1)
        spread = relative_std(rows)
        values = {
            'representation/effective_rank': effective_rank(rows),
            'representation/std': spread / rows.shape[1]**0.5,
            'representation/relative_std': spread,
            'representation/uniformity': uniformity(rows),
        }
        if self._alignment is not None:
            dist.all_reduce(self._alignment, 'mean')
            values['representation/alignment'] = self._alignment.double()
        # One wait for the device.
        return dict(zip(values, torch.stack(list(values.values())).tolist()))

    def _align(self, branch: InterImageBranch, given: tuple) -> None:
        query, key, _ = given
        if key.data_ptr() == query.data_ptr():
            return  # one view: the key is the query
        with torch.no_grad():
            self._alignment = alignment(query, key)

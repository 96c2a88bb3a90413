"""In which axes the rows of a bank are compared, so that none outweighs."""
from typing import Dict

import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn

from .random_stream import draw_subset
from .rows import Rows

# Enough for the axes of a few hundred columns, at a cost that ignores N.
_MOST_ROWS = 1 << 14
# Of the largest variance: an axis with less tells nothing but rounding.
_LEAST = 1e-6
_ROUNDING = 1e-12


class Whitening(nn.Module):
    """Compare rows less their mean, along axes of equal variance.

    A few directions that all images share outweigh the rest in a network
    that has trained for a while. In these axes each has the same variance,
    and a row's neighbours are of its class more often
    (``benchmarks/README.md``, "Panel").

    Centre and axes are in the checkpoint, but in no buffer, like the bank
    whose rows they are of.

    Args:
        num_axes (int): A, those of the largest variance; D where that is
            less.

    Source: docs/method.md 4.7.
    """

    def __init__(self, num_axes: int) -> None:
        super().__init__()
        self.num_axes = num_axes
        self.centre = torch.zeros(0)  # (D,)
        self.axes = torch.zeros(0, 0)  # (D, A)

    def fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Find centre and axes anew; a collective.

        Args:
            rows (Rows): Of N images; of more than 16,384 these many are
                drawn.
            generator (torch.Generator): The same on every process, on the
                rows' device.
        """
        count = min(len(rows), _MOST_ROWS)
        chosen = draw_subset(len(rows), count, generator)
        own = rows.select(chosen).own.double()
        moments = torch.cat((own.t() @ own, own.sum(0, keepdim=True)))
        dist.all_reduce(moments)
        moments /= count
        centre = moments[-1]
        variance, vectors = torch.linalg.eigh(
            moments[:-1] - torch.outer(centre, centre))
        variance, vectors = (
            variance[-self.num_axes:], vectors[:, -self.num_axes:])
        # Where all rows are alike there is nothing to divide by.
        least = (_LEAST * variance[-1]).clamp(min=_ROUNDING)
        self.centre = centre.float()
        self.axes = (vectors * variance.clamp(min=least).rsqrt()).float()

    def forward(self, rows: Tensor) -> Tensor:
        """Give what is compared.

        Args:
            rows (Tensor): (n, D).

        Returns:
            Tensor: (n, A) unit rows; a row at the centre is all zero.
        """
        # The centre is taken from the products: no second copy of the rows.
        moved = torch.addmm(
            -self.centre @ self.axes, rows.to(self.axes), self.axes)
        return F.normalize(moved, dim=1)

    def _apply(self, fn, recurse: bool = True) -> 'Whitening':
        # It follows the model to another device, and keeps its precision.
        device = fn(self.centre[:0]).device
        self.centre = self.centre.to(device)
        self.axes = self.axes.to(device)
        return super()._apply(fn, recurse)

    def _save_to_state_dict(self, destination: Dict[str, Tensor], prefix: str,
                            keep_vars: bool) -> None:
        destination[f'{prefix}centre'] = self.centre
        destination[f'{prefix}axes'] = self.axes

    def _load_from_state_dict(self, state_dict: Dict[str, Tensor], prefix: str,
                              *args) -> None:
        for name in ('centre', 'axes'):
            # A stock model's weights, or a published file, have neither.
            if prefix + name in state_dict:
                given = state_dict[prefix + name]
                setattr(self, name, given.to(self.centre, copy=True))

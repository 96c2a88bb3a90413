"""Where the rows of a bank are, and which process works on which of them."""
from typing import Any, Callable, Optional, Tuple, Union

import torch
from mmengine import dist
from torch import Tensor

from ..distributed import shard, share

# Rows that are looked at together: 16 MiB of 128 numbers each.
CHUNK_ROWS = 1 << 15


class Rows:
    """One row for each of N images, all of them on every process.

    Work on rows is shared out, and what comes of it is equal on every process
    even where a GPU adds in another order each time, for it came out of a
    collective. Whoever asks for rows by these methods need not know where
    they are; the methods that are collectives say so.

    Args:
        held (Tensor): (H, D) the rows that this process holds; here H = N.
    """

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def __len__(self) -> int:
        return len(self.held)

    def room(self, num_rows: int) -> 'Rows':
        """Give room for other rows of this kind: N zeros."""
        return Rows(self.held.new_zeros(num_rows, self.held.shape[1]))

    def to(self, device: torch.device) -> None:
        """Move them."""
        self.held = self.held.to(device)

    @property
    def part(self) -> Union[slice, Tensor]:
        """slice | Tensor: Of all rows, those that this process works on."""
        return shard(len(self))

    @property
    def own(self) -> Tensor:
        """Tensor: (n, D) the rows of :attr:`part`."""
        return self.held[self.part]

    def mine(self, index: Tensor) -> Tuple[Union[slice, Tensor], Tensor]:
        """Share out some rows; the list is the same on every process.

        Args:
            index (Tensor): (n,) images.

        Returns:
            tuple: Which m entries this process works on, and (m,) where it
            holds their rows.
        """
        part = shard(len(index))
        return part, index[part]

    def numbers(self, held: Optional[Tensor]) -> Optional[Tensor]:
        """Tell whose some rows are that this process holds.

        Args:
            held (Tensor, optional): (m,) positions in :attr:`held`. None: all.

        Returns:
            Tensor, optional: (m,) images. None: position is image.
        """
        return held

    def take(self, index: Tensor) -> Tensor:
        """Get rows; a collective, in which each process asks for its own.

        Args:
            index (Tensor): (n,) images, others on each process or the same.

        Returns:
            Tensor: (n, D), as they are stored.
        """
        return self.held.index_select(0, index)

    def put(self, index: Tensor, rows: Tensor) -> None:
        """Store rows.

        Args:
            index (Tensor): (n,) images, the same on every process.
            rows (Tensor): (n, D), rounded as stored.
        """
        self.held[index] = rows

    def fill(self, rows: Tensor, images: slice) -> None:
        """Store rows of a range of images, or what of it is held here.

        Args:
            rows (Tensor): (n, D).
            images (slice): Which n of the N.
        """
        self.held[images] = rows.to(self.held)

    def share(self) -> None:
        """Give each process all that it holds, once :attr:`part` is filled."""
        share(self.held)

    def load(self, rows: Any) -> None:
        """Replace all rows.

        Args:
            rows (Tensor): (N, D), or what gives tensors for slices of it.
        """
        self.held = rows[:].to(self.held, copy=True)

    def select(self, index: Tensor) -> 'Rows':
        """Choose some rows, to be worked on as if there were no others.

        Args:
            index (Tensor): (n,) images, the same on every process.

        Returns:
            Rows: n rows; those that this process works on are copied.
        """
        return _Chosen(self, index)

    def work_out(self, index: Tensor,
                 function: Callable[[Tensor, Any], Tensor]) -> Tensor:
        """Compute something of each of some rows; a collective.

        Args:
            index (Tensor): (n,) images, the same on every process.
            function (Callable): Takes (m, D) rows, as they are stored, and
                which of the n they are; gives (m,).

        Returns:
            Tensor: (n,) the results, equal on every process.
        """
        entries, places = self.mine(index)
        order = torch.arange(len(index), device=index.device)[entries]
        parts = zip(places.split(CHUNK_ROWS), order.split(CHUNK_ROWS))
        found = torch.cat([
            function(self.held.index_select(0, some), its)
            for some, its in parts
        ])
        result = found.new_zeros(len(index))
        result[entries] = found
        dist.all_reduce(result)
        return result


class _Chosen(Rows):
    """Some of the rows that another one has."""

    def __init__(self, rows: Rows, index: Tensor) -> None:
        super().__init__(rows.held)
        self._rows, self._index = rows, index
        self._part, places = rows.mine(index)
        self._own = rows.held[places]

    def __len__(self) -> int:
        return len(self._index)

    @property
    def part(self) -> Union[slice, Tensor]:
        return self._part

    @property
    def own(self) -> Tensor:
        return self._own

    def mine(self, index: Tensor) -> Tuple[Union[slice, Tensor], Tensor]:
        return self._rows.mine(self._index[index])

    def take(self, index: Tensor) -> Tensor:
        return self._rows.take(self._index[index])

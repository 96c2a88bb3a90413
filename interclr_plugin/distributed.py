"""What several processes need to keep equal copies of one memory bank.

``mmengine.dist`` does nothing when a process is alone, so there is one code
path for one process and many.
"""
from typing import Tuple

import torch
import torch.distributed as torch_dist
from mmengine import dist
from torch import Tensor


def gather_rows(rows: Tensor, height: int = 0) -> Tensor:
    """Stack the rows of all processes, in the order of their ranks.

    Processes may have different numbers of rows, as in the last batch of an
    epoch. To ask for these numbers would wait for the device, so shorter ones
    are filled up: with copies of their first row, which change nothing where
    the first occurrence of an image counts.

    Args:
        rows (Tensor): (B, ...), B at least 1.
        height (int): What they are filled up to, the same on every process.
            Defaults to 0: B is equal everywhere.

    Returns:
        Tensor: (W * max(B, height), ...) for W processes, equal on all of
        them.
    """
    if dist.get_world_size() == 1:
        return rows
    missing = max(0, height - len(rows))
    rows = torch.cat((rows, rows[:1].expand(missing, *rows.shape[1:])))
    return torch.cat(dist.all_gather(rows.contiguous()))


def gather_numbers(*columns: Tensor, height: int = 0) -> Tuple[Tensor, ...]:
    """Stack what all processes have of some columns, in one exchange.

    Args:
        *columns (Tensor): (B,) integers or bool, one for each row.
        height (int): As for :func:`gather_rows`.

    Returns:
        tuple[Tensor, ...]: Each (W * max(B, height),); bool as integers where
        there are several processes.
    """
    if dist.get_world_size() == 1:
        return columns
    table = torch.stack([column.long() for column in columns], 1)
    return gather_rows(table, height).unbind(1)


def fetch_rows(held: Tensor, owner: Tensor, place: Tensor) -> Tensor:
    """Get rows that other processes hold; each asks for what it needs.

    Only the rows that are asked for are sent, and 8 bytes ahead of each. The
    sizes of the messages are read from the device, which waits for it.

    Args:
        held (Tensor): (H, D) this process's rows.
        owner (Tensor): (n,) the processes that hold the wanted rows.
        place (Tensor): (n,) where they hold them.

    Returns:
        Tensor: (n, D).
    """
    order = torch.argsort(owner, stable=True)
    asks = torch.bincount(owner, minlength=dist.get_world_size())
    gives = torch.empty_like(asks)
    torch_dist.all_to_all_single(gives, asks)
    asked, given = torch.stack((asks, gives)).tolist()
    wanted = place.new_empty(sum(given))
    torch_dist.all_to_all_single(wanted, place[order], given, asked)
    # As bytes: not every backend sends every half precision.
    sent = held.index_select(0, wanted).view(torch.uint8)
    got = sent.new_empty(len(order), sent.shape[1])
    torch_dist.all_to_all_single(got, sent, asked, given)
    rows = held.new_empty(len(order), held.shape[1])
    rows[order] = got.view(held.dtype)
    return rows


def first_occurrence(index: Tensor) -> Tensor:
    """Tell for each entry where its value stands first.

    ``tensor[index] = rows`` is undefined where ``index`` holds a value twice,
    and a sampler that rounds up repeats images. Writing
    ``rows[first_occurrence(index)]`` instead makes all writes to one row
    equal, so their order no longer matters, and it needs no host
    synchronisation as a deduplicated index of unknown length would.

    Args:
        index (Tensor): (n,) integers.

    Returns:
        Tensor: (n,) positions, ``index[result] == index``.
    """
    # Columns of a table are no dense memory, of which torch would warn.
    index = index.contiguous()
    values, order = torch.sort(index, stable=True)
    # Where the run of equal values starts: ahead of all of them.
    return order[torch.searchsorted(values, index)]


def is_first_occurrence(index: Tensor) -> Tensor:
    """Tell which of (n,) entries are the first of their value: (n,) bool."""
    position = torch.arange(len(index), device=index.device)
    return first_occurrence(index) == position


def shard(num_rows: int) -> slice:
    """Give this process its part of ``range(num_rows)``.

    Args:
        num_rows (int): How many rows all processes share out.

    Returns:
        slice: Parts of different ranks do not overlap and cover all rows.
    """
    return _part(num_rows, dist.get_rank())


def share(rows: Tensor) -> None:
    """Give each process the rows that the others have in :func:`shard`.

    They arrive where they belong: nothing is held twice.

    Args:
        rows (Tensor): (n, ...), changed in place: equal on all processes
            afterwards.
    """
    for rank in range(dist.get_world_size()):
        part = rows[_part(len(rows), rank)]
        if len(part):
            # As bytes: not every backend sends every half precision.
            dist.broadcast(part.view(torch.uint8), rank)


def _part(num_rows: int, rank: int) -> slice:
    world = dist.get_world_size()
    return slice(rank * num_rows // world, (rank + 1) * num_rows // world)

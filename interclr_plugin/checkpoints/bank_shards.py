"""Where a checkpoint has the rows of a sharded bank: a file of each process.

The files lie beside the checkpoint, which names them. A name is used once: a
checkpoint that is written anew leads to its own rows, or, where the process
ended before it was written, still to those that it had.
"""
import io
import zipfile
from functools import lru_cache
from typing import Any, Dict, List, Sequence, Tuple

import torch
from mmengine.fileio import LocalBackend, get_file_backend, get_local_path
from torch import Tensor

from ..upstream.mmengine import whole_file
from .branch_names import BANK

# Under the checkpoint's ``meta``.
KEY = 'bank_shards'
_MARK = '.rows-'
# Of all images, looked at together.
_BLOCK = 1 << 20


class BankShards:
    """Rows of N images, read from their files where slices are asked for.

    Args:
        paths (Sequence[str]): Files, in the order of the processes; number r
            of W has the rows of images r, r + W, r + 2 W, ...
        shape (tuple[int, int]): N and D.
    """

    def __init__(self, paths: Sequence[str], shape: Tuple[int, int]) -> None:
        self.paths = list(paths)
        self.shape = tuple(shape)

    def __getitem__(self, images: slice) -> Tensor:
        wanted = range(self.shape[0])[images]
        world, rows = len(self.paths), None
        for rank, path in enumerate(self.paths):
            file = None
            for start in range(0, len(wanted), _BLOCK):
                some = wanted[start:start + _BLOCK]
                index = torch.arange(some.start, some.stop, some.step)
                mine = index % world == rank
                if not mine.any():
                    continue
                if file is None:
                    file = _read(path)
                if rows is None:
                    rows = file.new_empty(len(wanted), self.shape[1])
                part = rows[start:start + len(some)]
                part[mine] = file[index[mine] // world]
        return _read(self.paths[0])[:0] if rows is None else rows


def name_of(checkpoint: str, token: str, rank: int, world: int) -> str:
    """Name a file of rows.

    Args:
        checkpoint (str): The name of the checkpoint's file.
        token (str): Of this one time that it is written.
        rank (int): The process that writes.
        world (int): W, how many processes.
    """
    return f'{checkpoint}{_MARK}{token}-{rank}-of-{world}'


def write(rows: Tensor, path: str, options: Dict[str, Any]) -> None:
    """Write a file of rows, whole or not at all.

    Args:
        rows (Tensor): (H, D).
        path (str): Where.
        options (dict): Of the file backend.
    """
    backend = get_file_backend(path, backend_args=options)
    if isinstance(backend, LocalBackend):
        with whole_file(path) as file:
            torch.save(rows.cpu(), file)
    else:
        buffer = io.BytesIO()
        torch.save(rows.cpu(), buffer)
        backend.put(buffer.getvalue(), path)


def remove_old(folder: str, checkpoint: str, kept: Sequence[str],
               options: Dict[str, Any]) -> None:
    """Remove files of rows to which no checkpoint leads any more.

    Args:
        folder (str): Of the checkpoints.
        checkpoint (str): The name of the file that was just written.
        kept (Sequence[str]): Names of its files of rows.
        options (dict): Of the file backend.
    """
    backend = get_file_backend(folder, backend_args=options)
    found = set(backend.list_dir_or_file(folder, list_dir=False))
    for name in found:
        owner, mark, _ = name.partition(_MARK)
        if mark and name not in kept and (owner == checkpoint or
                                          owner not in found):
            backend.remove(backend.join_path(folder, name))


def paths_of(checkpoint: Dict[str, Any], path: str) -> List[str]:
    """Find the files of rows that belong to a checkpoint.

    Args:
        checkpoint (dict): As it was read.
        path (str): Where it was.

    Returns:
        list[str]: Empty where it has its rows itself, or none.
    """
    about = (checkpoint.get('meta') or {}).get(KEY)
    if not about:
        return []
    folder = path.rpartition('/')[0]
    return [f'{folder}/{name}' if folder else name for name in about['files']]


def attach(checkpoint: Dict[str, Any], path: str) -> None:
    """Let a checkpoint's state lead to the rows of its bank.

    Args:
        checkpoint (dict): As it was read; changed in place. What has its rows
            itself stays as it is.
        path (str): Where it was.
    """
    paths = paths_of(checkpoint, path)
    if not paths:
        return
    rows = BankShards(paths, checkpoint['meta'][KEY]['shape'])
    for state in (checkpoint[name] for name in ('state_dict', 'ema_state_dict')
                  if name in checkpoint):
        for name in [name for name in state if name.endswith(f'{BANK}shards')]:
            del state[name]
            state[name[:-len('shards')] + 'features'] = rows


@lru_cache(maxsize=2)
def _read(path: str) -> Tensor:
    try:
        with get_local_path(path) as local:
            # Mapped: what is not asked for is not read.
            return torch.load(
                local,
                map_location='cpu',
                weights_only=True,
                mmap=zipfile.is_zipfile(local))
    except FileNotFoundError as error:
        raise ValueError(
            f'{path} is missing: it has rows of the memory bank, and belongs '
            'beside its checkpoint. Put it there, or start a new run from the '
            "checkpoint's weights: load_from=..., resume=False.") from error

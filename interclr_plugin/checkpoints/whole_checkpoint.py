"""Which files a run may start from: whole checkpoints, not parts of one."""
import os.path as osp
import re
import zipfile
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

from mmengine import dist
from mmengine.fileio import FileClient, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint

from . import bank_shards, reading

# What PreemptionHook writes.
PREEMPTED = 'preempted.pth'
_NOT_WHOLE = (
    '{} is not a whole checkpoint: it is missing, was cut off while it was '
    'written, was damaged later, or is another kind of file; or a file of '
    'rows that belongs beside it is. Name another one: load_from=...')


def require_whole_checkpoint(runner: Runner) -> None:
    """Look at the file that a run is to load, before it is loaded.

    A process that is killed, a disk that is full and a disk that forgets can
    leave a part of a checkpoint. A resume that names no file then goes on
    from the last whole checkpoint of the run's ``CheckpointHook``, where it
    has its files. One process looks, so that all load the same file.

    Args:
        runner (Runner): Before it loads or resumes.

    Raises:
        ValueError: A local file that was named, or every one of the run, is
            no whole checkpoint. It is in the log, too.

    Source: mmengine 0.10.7 ``runner.Runner.load_or_resume``.
    """
    if runner._load_from is None and not runner._resume:
        return
    answer = list(_choose(runner)) if dist.is_main_process() else [None] * 2
    dist.broadcast_object_list(answer)
    message, instead = answer
    if instead is not None:
        runner.logger.warning(message)
        runner._load_from = instead
    elif message is not None:
        runner.logger.error(message)
        raise ValueError(message)


def is_whole(path: Path) -> bool:
    """Tell whether a file is, to the last bit, what ``torch.save`` wrote.

    Args:
        path (Path): A file, or nothing.

    Returns:
        bool: False for a part of a checkpoint, whose table of contents is
        missing, and for one with a byte that is not the one written: the
        archive has a checksum (CRC-32) of each tensor. The file is read once.
        The files of a sharded bank's rows beside it are parts of it.
    """
    return is_whole_file(path) and all(
        is_whole_file(Path(rows)) for rows in _rows_beside(str(path)))


def is_whole_file(path: Path) -> bool:
    """:func:`is_whole` of a single file, whatever belongs to it."""
    if not path.is_file():
        return False
    about = path.stat()
    return _is_whole(str(path), about.st_mtime_ns, about.st_size)


def _rows_beside(path: str, place: Optional[str] = None) -> List[str]:
    try:
        return bank_shards.paths_of(reading.read(path), place or path)
    except Exception:  # it holds more than data; its loader will tell
        return []


@lru_cache(maxsize=256)  # two hooks ask
def _is_whole(path: str, *changes: int) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None and any(
                name.endswith('data.pkl') for name in archive.namelist())
    except Exception:  # whatever the bytes of a file lead to
        return False


def last_whole_checkpoint(runner: Runner) -> Optional[str]:
    """Find the newest whole checkpoint of a run.

    Args:
        runner (Runner): Its ``CheckpointHook`` says where, and how the files
            are called.

    Returns:
        str, optional: None if there is none.
    """
    found = sorted(set(_files(runner)), reverse=True)
    return next((path for _, _, path in found if _is_whole_at(runner, path)),
                None)


def _choose(runner: Runner) -> Tuple[Optional[str], Optional[str]]:
    """Say what is wrong, if anything, and which file to take instead."""
    named = runner._load_from
    if named is not None:
        path = Path(named)  # what is no local file is its loader's affair
        # Of a run that is not resumed, rows are not asked for.
        whole = is_whole if runner._resume else is_whole_file
        bad = path.is_file() and not whole(path) and not _is_old(path)
        return (_NOT_WHOLE.format(named) if bad else None), None
    latest = find_latest_checkpoint(runner.work_dir)
    if latest and _is_whole_at(runner, latest):
        return None, None
    whole = last_whole_checkpoint(runner)
    if whole is not None:
        if latest:
            return (f'{latest} is not a whole checkpoint; resuming from '
                    f'{whole}.'), whole
        return (f'{runner.work_dir} names no last checkpoint; resuming from '
                f'{whole}.'), whole
    if latest is None:  # nothing was saved yet
        return None, None
    return _NOT_WHOLE.format(latest) + (
        f' No other checkpoint of {runner.work_dir} is whole: start anew '
        'without --resume.'), None


def _files(runner: Runner) -> Iterator[Tuple[float, int, str]]:
    """Give (time, number, path) of what may be a checkpoint of the run."""
    for hook in _checkpoint_hooks(runner):
        # As CheckpointHook.before_train, which has not run yet.
        folder = str(hook.out_dir or runner.work_dir)
        backend = _backend(hook, folder)
        if folder != runner.work_dir and not hasattr(hook, 'file_backend'):
            folder = backend.join_path(
                folder, osp.basename(runner.work_dir.rstrip(osp.sep)))
        pattern = re.sub(r'\{.*?\}', '*', hook.filename_tmpl)
        if not backend.isdir(folder):
            continue
        for name in backend.list_dir_or_file(folder, list_dir=False):
            if fnmatch(name, pattern) or name == PREEMPTED:
                path = backend.join_path(folder, name)
                local = Path(path)
                yield (local.stat().st_mtime if local.is_file() else 0.,
                       int((re.findall(r'\d+', name) or [0])[-1]), path)


def _is_whole_at(runner: Runner, path: str) -> bool:
    """Tell of a file wherever the run's checkpoints are."""
    if Path(path).is_dir():  # DeepSpeed's: many files, none of an archive
        return True
    if Path(path).is_file():
        return is_whole(Path(path))
    for hook in _checkpoint_hooks(runner)[:1]:
        backend = _backend(hook, path)
        if backend.isfile(path):
            with backend.get_local_path(path) as local:
                rows = _rows_beside(str(local), path)
                return is_whole_file(Path(local)) and all(
                    _is_whole_at(runner, each) for each in rows)
    return False


def _checkpoint_hooks(runner: Runner) -> list:
    return [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]


def _backend(hook: CheckpointHook, path: str) -> Any:
    if hook.file_client_args is not None:
        return FileClient.infer_client(hook.file_client_args, path)
    return get_file_backend(path, backend_args=hook.backend_args)


def _is_old(path: Path) -> bool:
    # torch before 1.6 wrote a bare pickle, and so are some weights still.
    with path.open('rb') as file:
        return file.read(1) == b'\x80'

"""Which files a run may start from: whole checkpoints, not parts of one."""
import zipfile
from pathlib import Path
from typing import Optional

from mmengine.runner import Runner, find_latest_checkpoint

_NOT_WHOLE = (
    '{} is not a whole checkpoint: it is missing, was cut off while it was '
    'written, or is another kind of file. Name another one: load_from=...')


def require_whole_checkpoint(runner: Runner) -> None:
    """Look at the file that a run is to load, before it is loaded.

    mmengine writes a checkpoint in place, so a process that is killed while
    it saves leaves a part of one. A resume that names no file then goes on
    from the last whole checkpoint of the run's folder.

    Args:
        runner (Runner): Before it loads or resumes.

    Raises:
        ValueError: A local file that was named, or every one in the folder,
            is no whole checkpoint.

    Source: mmengine 0.10.7 ``runner.Runner.load_or_resume``.
    """
    if runner._load_from is not None:
        named = Path(runner._load_from)
        if named.is_file() and not (is_whole(named) or _is_old(named)):
            raise ValueError(_NOT_WHOLE.format(named))
        return
    if not runner._resume:
        return
    latest = find_latest_checkpoint(runner.work_dir)
    if latest is None or is_whole(Path(latest)):
        return
    whole = last_whole_checkpoint(Path(runner.work_dir))
    if whole is None:
        raise ValueError(
            _NOT_WHOLE.format(latest) + ' No other checkpoint is in '
            f'{runner.work_dir}: start anew without --resume.')
    runner.logger.warning(
        f'{latest} is not a whole checkpoint; resuming from {whole}.')
    runner._load_from = str(whole)


def is_whole(path: Path) -> bool:
    """Tell whether a file is an archive as ``torch.save`` ends it.

    Args:
        path (Path): A file, or nothing.

    Returns:
        bool: False for a part of a checkpoint, as a killed process leaves
        it: the table of contents stands at the end.
    """
    if not (path.is_file() and zipfile.is_zipfile(path)):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith('data.pkl') for name in archive.namelist())


def last_whole_checkpoint(folder: Path) -> Optional[Path]:
    """Find the newest whole ``epoch_*.pth`` or ``iter_*.pth``.

    Args:
        folder (Path): A run's.

    Returns:
        Path, optional: None if there is none.
    """
    found = [
        path for pattern in ('epoch_*.pth', 'iter_*.pth')
        for path in folder.glob(pattern) if is_whole(path)
    ]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _is_old(path: Path) -> bool:
    # torch before 1.6 wrote a bare pickle, and so are some weights still.
    with path.open('rb') as file:
        return file.read(1) == b'\x80'

"""Which checkpoint and which configuration are meant by the name of a run."""
from pathlib import Path
from typing import List, NamedTuple, Optional

from mmengine.config import Config

from ..evaluation.benchmark import require_pretraining
from ..upstream.tools import read_config
from .run import CHECKPOINT_NAMES, Run, find_config


class Source(NamedTuple):
    """A checkpoint, and what belongs to it."""
    path: Path
    config: Config
    earlier: List[Path]  # kept checkpoints of the same training, newest first


def find_source(run: str, config: Optional[str] = None) -> Source:
    """Find what a user names by a folder or a file.

    Args:
        run (str): Work directory, whose furthest whole checkpoint is taken;
            or a file of weights.
        config (str, optional): Configuration of the pre-training. None: that
            in the work directory, or in the folder of the file.

    Returns:
        Source: Not yet read.

    Raises:
        FileNotFoundError: There is no such run, or no configuration.
        ValueError: No checkpoint is whole, or the configuration is not that
            of a pre-training.
    """
    path = Path(run)
    if not path.exists():
        raise FileNotFoundError(
            f'there is no {run}. Name the --work-dir of a training, or a file '
            'of weights.')
    if path.is_dir():
        found = Run(run, config)
        path, settings = found.last_whole.path, found.config
    elif CHECKPOINT_NAMES.fullmatch(path.name):
        found = Run(str(path.parent), config)
        settings = found.config
    else:
        found = None
        settings = read_config(config) if config else _config_beside(path)
    require_pretraining(settings)
    return Source(path, settings, _earlier(found, path) if found else [])


def _config_beside(path: Path) -> Config:
    try:
        return find_config(path.parent)[1]
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{path} has no configuration beside it, as epoch_*.pth in a work '
            'directory has. Name that of its pre-training with --config.'
        ) from error


def _earlier(run: Run, path: Path) -> List[Path]:
    paths = [checkpoint.path for checkpoint in run.checkpoints]
    # A file of the other unit, left by a former training, has none.
    place = paths.index(path) if path in paths else 0
    return paths[:place][::-1]

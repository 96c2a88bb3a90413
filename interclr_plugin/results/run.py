"""What a training has left in its work directory."""
import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from mmengine.config import Config

from ..checkpoints.whole_checkpoint import is_whole
from ..upstream.tools import read_config
from .plain_config import read_plain_config

# As mmengine's CheckpointHook names them.
CHECKPOINT_NAMES = re.compile(r'(epoch|iter)_(\d+)\.pth')


class Checkpoint(NamedTuple):
    """A kept checkpoint."""
    number: int  # of epochs, or of iterations
    unit: str  # 'epoch' or 'iter'
    path: Path


class Run:
    """A training, read only: its configuration and its checkpoints.

    Args:
        work_dir (str): As given to the training.
        config (str, optional): Its configuration. None: that in the folder.
        trust (bool): Run the newest ``*.py`` of the folder. Otherwise that is
            read which the Runner has written, as data alone.

    Raises:
        FileNotFoundError: There is no such folder, or no checkpoint or no
            configuration in it.
        ValueError: The configuration could run code, and is not trusted.
    """

    def __init__(self,
                 work_dir: str,
                 config: Optional[str] = None,
                 trust: bool = False) -> None:
        self.work_dir = Path(work_dir)
        if not self.work_dir.is_dir():
            raise FileNotFoundError(f'{work_dir} is not a folder. Name the '
                                    '--work-dir of a training.')
        self.checkpoints = self._find_checkpoints()
        if config:
            self.config_path, self.config = Path(config), read_config(config)
        else:
            self.config_path, self.config = find_config(self.work_dir, trust)

    @property
    def name(self) -> str:
        """str: The folder's own name."""
        return self.work_dir.resolve().name

    @property
    def last(self) -> Checkpoint:
        """Checkpoint: The furthest one."""
        return self.checkpoints[-1]

    @property
    def whole_checkpoints(self) -> List[Checkpoint]:
        """list[Checkpoint]: Those that are not a part of one."""
        return [each for each in self.checkpoints if is_whole(each.path)]

    @property
    def last_whole(self) -> Checkpoint:
        """Checkpoint: The furthest one that is not a part of one."""
        for checkpoint in reversed(self.checkpoints):
            if is_whole(checkpoint.path):
                return checkpoint
        raise ValueError(
            f'{self.work_dir} holds no whole checkpoint: each was cut off '
            'while it was written. Name another training.')

    @property
    def seed(self) -> int:
        """int: Of the initial weights; 0 where none was configured."""
        return (self.config.get('randomness') or {}).get('seed') or 0

    def spread_checkpoints(self, most: int) -> List[Checkpoint]:
        """Choose checkpoints, the first and the last among them.

        Args:
            most (int): At most so many, at least 2.

        Returns:
            list[Checkpoint]: Spread evenly, in order.
        """
        last = len(self.checkpoints) - 1
        count = min(most, last + 1)
        places = {round(i * last / max(count - 1, 1)) for i in range(count)}
        return [self.checkpoints[place] for place in sorted(places)]

    def _find_checkpoints(self) -> List[Checkpoint]:
        found = []
        for path in self.work_dir.glob('*.pth'):
            match = CHECKPOINT_NAMES.fullmatch(path.name)
            if match:
                found.append(
                    Checkpoint(int(match.group(2)), match.group(1), path))
        if not found:
            raise FileNotFoundError(
                f'{self.work_dir} holds no checkpoint: looked for '
                'epoch_*.pth and iter_*.pth. Name the --work-dir of a '
                'training that has saved one.')
        # A training by epochs may have been one by iterations before.
        newest = max(found, key=lambda each: each.path.stat().st_mtime)
        return sorted(each for each in found if each.unit == newest.unit)


def find_config(folder: Path, trust: bool = False) -> Tuple[Path, Config]:
    """Find the configuration that a training has left in a folder.

    Args:
        folder (Path): Work directory.
        trust (bool): Run the newest ``*.py``. Otherwise the newest is read,
            as data alone, that the Runner has written.

    Returns:
        tuple[Path, Config]: The file, and what it says.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It could run code, and is not trusted.
    """
    # The Runner writes the configuration that it used, at each start.
    found = list(folder.glob('*.py')) or list(
        folder.glob('*/vis_data/config.py'))
    if not found:
        raise FileNotFoundError(
            f'{folder} holds no configuration: looked for *.py and '
            '*/vis_data/config.py, which the Runner writes. Put the '
            'configuration of the training there.')
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    if trust:
        return found[0], read_config(str(found[0]))
    reasons = []
    for path in found:
        try:
            config = read_plain_config(str(path))
        except ValueError as error:
            reasons.append(str(error))
            continue
        if 'model' in config:
            return path, config
        reasons.append(f'{path} has no model.')
    raise ValueError(
        f'{" ".join(reasons)} It is not run: where you trust the folder, '
        'add --trust to `report`, or --config FILE to another command.')

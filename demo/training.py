"""One pre-training through the command line, as a process of its own."""
import os
import re
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Callable, Deque, Dict, Iterable, List, Optional

from mmengine.config import Config

# What a training step's line begins with: '[3][20/23] eta 1m10s', in stock
# ones 'Epoch(train)  [3][20/23]'.
LOGGED = re.compile(r' \[(\d+)\]\[\s*(\d+)/(\d+)\] ')
# Enough for the traceback of the training under that of mim.
TAIL = 60
# Tiny convolutions gain nothing from a second thread, and the other training
# has more use for the core.
THREADS = dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')


class TrainingError(Exception):
    """The process failed; the message ends with what it printed last."""


class Training:
    """A pre-training with ``mim train`` that goes on where it stopped.

    Args:
        name (str): Shown to the user.
        scope (str): 'mmselfsup' or 'mmpretrain'.
        config (Path): Configuration file.
        work_dir (Path): Where checkpoints and logs go.
        epochs (int, optional): Length. None: as in the configuration.
        seed (int, optional): None: as in the configuration.
    """

    def __init__(self,
                 name: str,
                 *,
                 scope: str,
                 config: Path,
                 work_dir: Path,
                 epochs: Optional[int] = None,
                 seed: Optional[int] = None) -> None:
        self.name = name
        self.scope = scope
        self.config = config
        self.work_dir = work_dir
        settings = Config.fromfile(str(config))
        self.epochs = epochs or settings.train_cfg.max_epochs
        self.seed = settings.randomness.seed if seed is None else seed
        self._changes = _changes(settings, epochs, seed)
        self._process: Optional[subprocess.Popen] = None
        self._stopped = False

    @property
    def command(self) -> List[str]:
        """list[str]: The command line, as a user would type it."""
        return [
            'mim', 'train', self.scope,
            str(self.config), '--work-dir',
            str(self.work_dir), '--gpus', '0', '--resume'
        ] + self._changes

    @property
    def last_checkpoint(self) -> Path:
        """Path: The checkpoint of the last epoch, there or not."""
        return self.work_dir / f'epoch_{self.epochs}.pth'

    @property
    def finished(self) -> bool:
        """bool: The last epoch is saved."""
        # mmengine writes this file once the checkpoint is complete.
        record = self.work_dir / 'last_checkpoint'
        return (record.exists()
                and Path(record.read_text()).name == self.last_checkpoint.name
                and self.last_checkpoint.exists())

    def checkpoints(self) -> List[Path]:
        """Saved epochs.

        Returns:
            list[Path]: Checkpoints, the earliest first.
        """
        return sorted(self.work_dir.glob('epoch_*.pth'), key=epoch_of)

    def run(self, report: Callable[[float, str], None]) -> None:
        """Train to the last epoch, from the latest checkpoint there is.

        Args:
            report (Callable): Takes the epochs done and what is going on.

        Raises:
            TrainingError: The process failed or was stopped.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        report(0, 'starting')
        # A session of its own: Ctrl-C reaches the demo alone, which then
        # stops this process and all that it has started.
        self._process = subprocess.Popen(
            [sys.executable, '-m'] + self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            start_new_session=True,
            env=dict(
                os.environ,
                PYTHONUNBUFFERED='1',
                **THREADS,
                **home_for_mim(self.work_dir)))
        if self._stopped:  # between the start of run() and here
            self.stop()
        with self._process.stdout:
            tail = self._follow(self._process.stdout, report)
        code = self._process.wait()
        if code != 0 or not self.finished:
            raise TrainingError(
                f'{self.name} ended with code {code} before epoch '
                f'{self.epochs}. The command was\n  '
                f"{' '.join(self.command)}\nand its last lines are\n  " +
                '  '.join(tail) + f'All of them: {self._log}')

    def stop(self, patience: float = 10) -> None:
        """End a run that another thread has started, politely first.

        Args:
            patience (float): Seconds until it is ended by force.
        """
        self._stopped = True
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGINT)
            self._process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired,
                KeyboardInterrupt):
            pass  # gone, stuck, or a second Ctrl-C: no more patience
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # loader processes
        except (ProcessLookupError, PermissionError):
            pass

    @property
    def _log(self) -> Path:
        return self.work_dir / 'output.log'

    def _follow(self, lines: Iterable[str],
                report: Callable[[float, str], None]) -> Deque[str]:
        tail: Deque[str] = deque(maxlen=TAIL)
        with open(self._log, 'a') as log:
            for line in lines:
                log.write(line)
                log.flush()
                tail.append(line)
                logged = LOGGED.search(line)
                if logged:
                    epoch, step, steps = map(int, logged.groups())
                    report(epoch - 1 + step / steps,
                           f'epoch {epoch}/{self.epochs}')
        return tail


def home_for_mim(work_dir: Path) -> Dict[str, str]:
    """Make the folder that mim wants, before two of them do.

    mim 0.3.9 makes ``~/.cache/mim`` when it is imported, with a check first:
    of two that start together on a new machine one fails. Where the home
    folder cannot be written to, mim gets another.

    Args:
        work_dir (Path): Of the training.

    Returns:
        dict[str, str]: Changes of the environment.
    """
    usual = Path(os.path.expanduser('~'))
    for home in (usual, work_dir.resolve() / 'home'):
        try:
            (home / '.cache/mim').mkdir(parents=True, exist_ok=True)
            return dict(HOME=str(home))
        except OSError:
            continue
    return {}  # mim's own error says it better


def epoch_of(checkpoint: Path) -> int:
    """Epoch of a checkpoint.

    Args:
        checkpoint (Path): As mmengine names it: ``epoch_5.pth``.

    Returns:
        int: The epoch, counted from 1.
    """
    return int(checkpoint.stem.split('_')[-1])


def _changes(settings: Config, epochs: Optional[int],
             seed: Optional[int]) -> List[str]:
    changes = []
    if seed is not None:
        changes.append(f'randomness.seed={seed}')
    if epochs is not None:
        changes.append(f'train_cfg.max_epochs={epochs}')
        # Ten points for the curve of the accuracy, as in the full length.
        interval = max(1, epochs // 10)
        changes.append(f'default_hooks.checkpoint.interval={interval}')
        for index, scheduler in enumerate(settings.param_scheduler):
            changes += [
                f'param_scheduler.{index}.{key}={epochs}'
                for key in ('T_max', 'end')
                if scheduler.get(key) == settings.train_cfg.max_epochs
            ]
    return ['--cfg-options'] + changes if changes else []

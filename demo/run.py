"""Pre-train MoCo v2 and InterCLR on digits and compare their features.

``make demo`` runs this; Ctrl-C stops it, and the next run goes on from there.
"""
import argparse
import os
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, List

import torch
from report import figure, table
from rich import progress
from rich.console import Console
from state import State, write_json
from threadpoolctl import threadpool_limits
from training import Training, TrainingError, epoch_of

from interclr_plugin.evaluation import evaluate
from interclr_plugin.report import write_report
from interclr_plugin.report.facts import command_line

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = dict(
    moco='moco_resnet18_1xb64-coslr-50e_digits_{}.py',
    interclr='interclr-moco_resnet18_1xb64-coslr-50e_digits_{}.py')
NAMES = dict(moco='MoCo v2', interclr='InterCLR')
INITIAL = 'random initial weights'
# Seconds between two lines where no line can be redrawn.
PAUSE = 90


def parse_args() -> argparse.Namespace:
    """Read the command line; returns the options under their names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--epochs', type=int, help='none: as configured, 50')
    parser.add_argument('--seed', type=int, help='none: as configured, 0')
    parser.add_argument('--work-dir', type=Path, default='work_dirs/demo')
    parser.add_argument(
        '--scope',
        choices=('mmselfsup', 'mmpretrain'),
        default='mmselfsup' if find_spec('mmselfsup') else 'mmpretrain')
    options = parser.parse_args()
    if options.epochs is not None and options.epochs < 1:
        parser.error(f'--epochs {options.epochs}: allowed is 1 or more')
    return options


class Line:
    """The line that tells what goes on: redrawn, or repeated in a log."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = progress.Progress(
            progress.TextColumn('{task.description:<10}'),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn('{task.fields[doing]:<21}'),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal)

    def task(self, name: str, total: float) -> Callable[[float, str], None]:
        """Start a task; returns what takes (amount done, words)."""
        number = self.bar.add_task(name, total=total, doing='')
        printed = -PAUSE

        def report(done: float, doing: str) -> None:
            nonlocal printed
            self.bar.update(number, completed=done, doing=doing)
            now = time.monotonic()
            if not self.console.is_terminal and now - printed >= PAUSE:
                printed = now
                self.console.print(f'{name}: {doing}, {done / total:.0%}')

        return report


def pretrain_all(trainings: List[Training], line: Line, state: State) -> None:
    """Train side by side, as many at a time as there are cores."""
    with ThreadPoolExecutor(min(os.cpu_count(), len(trainings))) as pool:
        jobs = [
            pool.submit(pretrain, training,
                        line.task(training.name, training.epochs), state)
            for training in trainings
        ]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            for job, training in zip(jobs, trainings):
                job.cancel()
                training.stop()
            raise


def pretrain(training: Training, report: Callable, state: State) -> None:
    """Train unless that is done, and add up the seconds it takes."""
    if not training.finished:
        start = time.monotonic()
        try:
            training.run(report)
        finally:
            state.add_seconds(training.name, time.monotonic() - start)
    report(training.epochs, 'done')


def score_all(trainings: List[Training], line: Line, state: State) -> dict:
    """Evaluate the initial weights and every checkpoint, each once."""
    jobs = [(INITIAL, trainings[0], None)]
    jobs += [(f'{training.name}, epoch {epoch_of(path)}', training, path)
             for training in trainings for path in training.checkpoints()]
    report = line.task('Evaluation', len(jobs))
    done = state.data['evaluations']
    for number, (key, training, path) in enumerate(jobs):
        report(number, key)
        stamp = path.stat().st_mtime if path else None
        if done.get(key, {}).get('stamp', 0) != stamp:
            checkpoint = str(path) if path else None
            done[key] = dict(
                evaluate(
                    str(training.config), checkpoint, seed=training.seed),
                stamp=stamp)
            state.save()
    report(len(jobs), 'done')
    return done


def write_page(trainings: List[Training], line: Line, work_dir: Path) -> Path:
    """Report on InterCLR with MoCo v2 as the baseline, if not done yet."""
    baseline, training = trainings
    page = work_dir / 'report.html'
    report = line.task('Report', 1)
    newest = max(each.last_checkpoint.stat().st_mtime for each in trainings)
    if not page.exists() or page.stat().st_mtime < newest:
        write_report(
            str(training.work_dir),
            str(page),
            baseline=str(baseline.work_dir),
            command=command_line([
                str(training.work_dir), '--baseline',
                str(baseline.work_dir), '--output',
                str(page)
            ]),
            progress=lambda doing: report(0, doing[:21]))
    report(1, 'done')
    return page


def main() -> int:
    """Run the demo; returns the exit code."""
    options = parse_args()
    console = Console()
    configs = Path(os.path.relpath(ROOT / 'configs' / options.scope))
    trainings = [
        Training(
            NAMES[key],
            scope=options.scope,
            config=configs / CONFIGS[key].format(options.scope),
            work_dir=options.work_dir / key,
            epochs=options.epochs,
            seed=options.seed) for key in CONFIGS
    ]
    first = trainings[0]
    settings = dict(
        scope=options.scope, epochs=first.epochs, seed=first.seed)
    state = State(options.work_dir / 'state.json', settings)
    line = Line(console)
    # mmcv-lite says at import which compiled operator it does without.
    warnings.filterwarnings('ignore', 'Fail to import')
    # On features this small, threads only get in each other's way.
    torch.set_num_threads(1)
    # As Ctrl-C does, so that no process is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with line.bar, threadpool_limits(1):
            pretrain_all(trainings, line, state)
            scores = score_all(trainings, line, state)
            page = write_page(trainings, line, options.work_dir)
        finish(trainings, scores, state, options.work_dir, console)
        console.print(f'{page} tells more; results.json and figure.png lie '
                      'beside it.', soft_wrap=True)
    except TrainingError as error:
        console.print(str(error), soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print('Stopped. What is done is kept; to go on from there, '
                      'give the same command again.')
        return 130
    return 0


def finish(trainings: List[Training], scores: dict, state: State,
           work_dir: Path, console: Console) -> None:
    """Write the results and show them."""
    knn = {
        training.name: [(0, scores[INITIAL]['knn'])] +
        [(epoch_of(path),
          scores[f'{training.name}, epoch {epoch_of(path)}']['knn'])
         for path in training.checkpoints()]
        for training in trainings
    }
    keys = {INITIAL: INITIAL}
    for training in trainings:
        keys[training.name] = f'{training.name}, epoch {training.epochs}'
    rows = [
        dict(
            name=name,
            knn=scores[key]['knn'],
            linear=scores[key]['linear'],
            seconds=state.data['seconds'].get(name, 0))
        for name, key in keys.items()
    ]
    write_json(
        work_dir / 'results.json',
        dict(state.data['settings'], results=rows, knn_over_epochs=knn))
    figure(work_dir / 'figure.png', trainings, knn)
    console.print(table(rows))


if __name__ == '__main__':
    sys.exit(main())

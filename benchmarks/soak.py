"""A run that is killed over and over, and one that goes on for long.

    python benchmarks/soak.py kills --number 100
    python benchmarks/soak.py growth --steps 20000

``kills`` trains every run of ``tests/hooks/test_exact_resume.py`` twice:
undisturbed, and killed (SIGKILL) every few steps, at a moment drawn by
chance, in one of its processes, and resumed each time. The last checkpoints
are compared with no tolerance, as those tests do.

``growth`` trains InterCLR and the stock algorithm, each in a process of its
own, and prints memory, open files and the slowest steps.
"""
import argparse
import functools
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
TESTS = Path(__file__).resolve().parents[1] / 'tests'
sys.path[:0] = [str(TESTS), str(TESTS / 'hooks')]

import torch  # noqa: E402
from libraries import INSTALLED  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from resumed_run import differences  # noqa: E402
from resumed_run import run as run_for_a_test  # noqa: E402
from small_run import runner_of, small_config  # noqa: E402
from test_exact_resume import (  # noqa: E402
    COMBINATIONS,
    LONGER,
    MIDDLES,
    STEPS,
    every_4_steps,
    last,
    make,
)

TOTAL = 3 * STEPS
# A machine may be busy for long.
run = functools.partial(run_for_a_test, patience=1800)
OTHERS = ('barlowtwins', 'densecl', 'npid', 'simsiam')


def runs():
    """Name every run, with what makes it and its number of processes."""
    for library in INSTALLED:
        for name, (changes, workers, world, _) in MIDDLES.items():
            yield f'{library} {name}', (library, 'moco', 'OnlineKMeans',
                                        workers, world), changes
        for name, (algorithm, labels, changes, workers, world,
                   _) in LONGER.items():
            yield f'{library} {name}', (library, algorithm, labels, workers,
                                        world), changes
        for algorithm in OTHERS:
            if (library, algorithm) != ('mmpretrain', 'npid'):
                yield f'{library} {algorithm}', (
                    library, algorithm, 'OnlineKMeans', 0, 1), [every_4_steps]
    for setting in COMBINATIONS:
        if setting[0] in INSTALLED:
            yield ' '.join(map(str, setting)), setting, []


def kills(options):
    """Kill each run as often as its share of the number; print a table."""
    cells = [each for each in runs() if options.only in each[0]]
    chance = random.Random(options.seed)
    # Some more often than others, the same ones for a seed.
    share = [options.number // len(cells)] * len(cells)
    for cell in chance.sample(
            range(len(cells)), options.number - sum(share)):
        share[cell] += 1
    killed, equal, started = 0, 0, time.monotonic()
    for (name, setting, changes), number in zip(cells, share):
        if not number:
            continue
        with tempfile.TemporaryDirectory() as folder:
            done, found = killed_run(
                Path(folder), setting, changes, number, chance)
        killed += done
        equal += not found
        print(f'{name}: {done} kills, '
              f'{"equal" if not found else found[:3]}', flush=True)
    print(f'{len([n for n in share if n])} runs, {killed} kills, {equal} '
          f'ends equal, {(time.monotonic() - started) / 60:.0f} min')


def killed_run(folder, setting, changes, number, chance):
    """Give the kills of one run, and what differs at its end."""
    configs = []
    for kind in ('whole', 'killed'):
        config = make(folder / kind, *setting)
        config.train_cfg.max_epochs, config.log_level = 3, 'ERROR'
        for change in changes:
            change(config)
        if not config.default_hooks.checkpoint.get('by_epoch', True):
            config.default_hooks.checkpoint.interval = 2
        configs.append(config)
    world = setting[-1]
    assert run(configs[0], world) == [0] * world
    config, kills = configs[1], 0
    config.resume = True
    while kills < number:
        step = steps_done(folder / 'killed') + chance.randint(1, 5)
        codes = run(
            config, world,
            stop=(min(step, TOTAL - 1), chance.uniform(0, 0.2)))
        if codes == [0] * world:  # it had ended before
            break
        kills += 1
    if steps_done(folder / 'killed') < TOTAL:
        assert run(config, world) == [0] * world
    return kills, list(
        differences(last(folder / 'whole'), last(folder / 'killed')))


def steps_done(folder):
    """Give the step of the last checkpoint."""
    steps = [0]
    for path in folder.glob('*.pth'):
        kind, number = re.fullmatch(r'(epoch|iter)_(\d+)', path.stem).groups()
        steps.append(int(number) * (STEPS if kind == 'epoch' else 1))
    return max(steps)


class Watch(Hook):
    """Note time, memory and open files; which kind of step it was."""

    priority = 'LOWEST'

    def __init__(self):
        self.times, self.kinds, self.memory, self.files = [], [], [], []

    def before_train_iter(self, runner, *args, **kwargs):
        self.started = time.process_time()

    def after_train_iter(self, runner, *args, **kwargs):
        self.times.append(time.process_time() - self.started)
        step = runner.iter + 1
        model = runner.model
        kind = []
        if hasattr(model, 'inter_image'):
            if step % model.inter_image.labels.centroid_interval == 0:
                kind.append('centroids')
            repaired = model.inter_image.labels.num_repaired
            if repaired != getattr(self, 'repaired', 0):
                kind.append('repair')
            self.repaired = repaired
        if step % 50 == 0:
            kind.append('log')
        if step % len(runner.train_dataloader) == 0:
            kind.append('end of an epoch')
        self.kinds.append(' and '.join(kind) or 'ordinary')
        if step % 100 == 0:
            pages = int(Path('/proc/self/statm').read_text().split()[1])
            self.memory.append(pages * os.sysconf('SC_PAGE_SIZE') / 1e6)
            self.files.append(len(os.listdir('/proc/self/fd')))
        if step % 1000 == 0:  # for who waits
            print(f'  step {step}: {self.memory[-1]:.1f} MB, '
                  f'{self.files[-1]} files', flush=True)


def train(algorithm, steps, queue):
    """Train in this process; put what was watched."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = small_config(INSTALLED[0], folder, algorithm)
        images = 1200
        # The first transform alone: the others take most of the time.
        views = config.train_dataloader.dataset.pipeline[0]
        views.transforms = [[views.transforms[0][0]]]
        config.merge_from_dict({
            'train_dataloader.dataset.indices': images,
            'train_cfg.max_epochs': -(-steps * 16 // images),
            'log_level': 'ERROR',
            'model.queue_len': 256,
            'default_hooks.logger.interval': 50,
            'default_hooks.checkpoint.interval': 5,
            'default_hooks.checkpoint.max_keep_ckpts': 2,
        })
        runner = runner_of(config)
        watch = Watch()
        runner.register_hook(watch, priority='LOWEST')
        runner.train()
        queue.put((watch.times, watch.kinds, watch.memory, watch.files))


def growth(options):
    """Print what grows in both, and InterCLR's slowest steps."""
    context = multiprocessing.get_context('spawn')
    for algorithm in options.algorithms:
        queue = context.Queue()
        process = context.Process(
            target=train, args=(algorithm, options.steps, queue))
        process.start()
        while process.is_alive() and queue.empty():
            time.sleep(1)
        times, kinds, memory, files = queue.get(timeout=60)
        process.join()
        marks = [len(memory) * share // 20 for share in (1, 5, 10, 20)]
        told = ', '.join(
            f'{memory[mark - 1]:.1f} after {mark * 100}' for mark in marks)
        half = memory[len(memory) // 2:]
        slope = statistics.linear_regression(range(len(half)), half).slope
        print(f'{algorithm}: {len(times)} steps; memory in MB {told}; second '
              f'half {slope * 10 * 1000:+.1f} KB in 1,000 steps; open files '
              f'{files[0]} to {files[-1]}, at most {max(files)}')
        slowest(times, kinds)


def slowest(times, kinds):
    """Print, of each kind of step, median and worst beside all's median."""
    times, kinds = times[100:], kinds[100:]  # the first ones warm up
    middle = statistics.median(times)
    groups = defaultdict(list)
    for taken, kind in zip(times, kinds):
        groups[kind].append(taken / middle)
    print(f'  a step: median {middle * 1e3:.1f} ms of a processor')
    for kind, ratios in sorted(groups.items(), key=lambda item: -max(item[1])):
        ratios.sort()
        print(f'  {kind}: {len(ratios)} steps, median '
              f'{statistics.median(ratios):.2f}, 99 % below '
              f'{ratios[int(0.99 * (len(ratios) - 1))]:.2f}, worst '
              f'{ratios[-1]:.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('kills')
    command.add_argument('--number', type=int, default=100)
    command.add_argument('--seed', type=int, default=0)
    command.add_argument('--only', default='', help='a word in their names')
    command.set_defaults(do=kills)
    command = commands.add_parser('growth')
    command.add_argument('--steps', type=int, default=20000)
    command.add_argument(
        '--algorithms', nargs='+', default=['moco', 'interclr-moco'])
    command.set_defaults(do=growth)
    options = parser.parse_args()
    options.do(options)


if __name__ == '__main__':
    main()

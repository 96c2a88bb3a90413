"""What the monitors cost: steps with and without them, in turns.

    python benchmarks/monitors.py --library mmselfsup

One training of the digits configuration. In every second block of 50 steps
the monitors are there, with their default intervals; processor time of the
blocks is compared in pairs, and the time inside of the monitors with that of
the rest of their blocks.
"""
import argparse
import logging
import os
import statistics
import tempfile
import time

os.environ['OMP_NUM_THREADS'] = '1'

import torch  # noqa: E402
from digits import CONFIGS, METHODS  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.registry import HOOKS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

BLOCK = 50
MONITORS = [
    'ClusterMonitor', 'RepresentationMonitor', 'PairMonitor', 'LabelMonitor',
    'AlarmHook'
]


class Turns(Hook):
    """Turn the monitors on and off, and read the clock at each change."""
    priority = 'VERY_LOW'

    def __init__(self, monitors: list) -> None:
        self.monitors = monitors
        self.inside = dict.fromkeys(map(type, monitors), 0.)
        self.blocks = []
        for monitor in monitors:
            for name in ('before_train_iter', 'after_train_iter'):
                setattr(monitor, name, self.timed(monitor, name))

    def timed(self, monitor: Hook, name: str):
        act = getattr(monitor, name)

        def run(*args, **kwargs):
            if len(self.blocks) % 2:
                started = time.process_time()
                act(*args, **kwargs)
                self.inside[type(monitor)] += time.process_time() - started

        return run

    def before_train(self, runner: Runner) -> None:
        self.started = time.process_time()

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if self.every_n_train_iters(runner, BLOCK):
            now = time.process_time()
            self.blocks.append(now - self.started)
            self.started = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--library', default='mmselfsup')
    parser.add_argument('--pairs', type=int, default=10)
    parser.add_argument(
        '--knn', type=int, help='also OnlineKNNHook, every so many epochs')
    options = parser.parse_args()
    name = METHODS['InterCLR'].format(options.library)
    config = Config.fromfile(CONFIGS / options.library / name)
    config.train_cfg.max_epochs = -(-2 * BLOCK * options.pairs // 23)
    config.default_hooks.checkpoint = None
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        runner = Runner.from_cfg(config)
        monitors = [HOOKS.build(dict(type=name)) for name in MONITORS]
        if options.knn:
            monitors.append(
                HOOKS.build(
                    dict(type='OnlineKNNHook', interval=options.knn)))
        turns = Turns(monitors)
        for monitor in monitors:
            runner.register_hook(monitor, priority=monitor.priority)
        runner.register_hook(turns, priority='VERY_LOW')
        runner.train()
    without, with_them = (turns.blocks[i:2 * options.pairs:2] for i in (0, 1))
    ratio = statistics.median(b / a for a, b in zip(without, with_them))
    rest = sum(with_them) - sum(turns.inside.values())
    step = sum(without) / len(without) / BLOCK
    print(f'\n{options.library}: {1000 * step:.1f} ms a step without them; '
          f'with / without: {ratio:.4f}')
    for kind, seconds in turns.inside.items():
        print(f'  {kind.__name__:22} {seconds / rest:.2%} of the other time')


if __name__ == '__main__':
    main()

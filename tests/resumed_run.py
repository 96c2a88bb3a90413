"""Runs that are stopped or killed, in processes of their own."""
import multiprocessing
import os
import signal
import subprocess
import threading
from pathlib import Path

import gloo
import torch
from libraries import INSTALLED
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from small_run import runner_of

import interclr_plugin  # noqa: F401 (a pickled configuration imports nothing)

# Forked from a process that has only imported: quick, and nothing of the
# tests' own process (threads, random states) is in them.
PROCESSES = multiprocessing.get_context('forkserver')
PROCESSES.set_forkserver_preload(['resumed_run', *INSTALLED])


class Stop(Hook):
    """End this process at a step, as the kernel or a user would.

    With the name of a signal the last process and its loaders get that; with
    a number the last process is killed so many seconds later.
    """
    priority = 'VERY_LOW'

    def __init__(self, step, kind):
        self.step, self.kind = step, kind

    def before_train_iter(self, runner, *args, **kwargs):
        if runner.iter == self.step:
            if isinstance(self.kind, float):
                if get_rank() == get_world_size() - 1:
                    killer = threading.Timer(self.kind, os.kill,
                                             (os.getpid(), signal.SIGKILL))
                    killer.daemon = True
                    killer.start()
                return
            if self.kind == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind.startswith('SIG'):
                if get_rank() == get_world_size() - 1:
                    for process in multiprocessing.active_children():
                        # By another process, as a cluster does.
                        subprocess.run(
                            ['kill', f'-{self.kind[3:]}',
                             str(process.pid)], check=True)
                    os.kill(os.getpid(), signal.Signals[self.kind])
                return
            raise KeyboardInterrupt


def train(config, rank, world, stop, store):
    torch.set_num_threads(1)
    if world > 1:
        gloo.join(rank, world, store)
        gloo.train_together(config, find_unused_parameters=True)
    runner = runner_of(config)
    if stop:
        runner.register_hook(Stop(*stop), priority='VERY_LOW')
    runner.train()
    if world > 1:
        gloo.leave()
    os._exit(0)


def run(config, world=1, stop=None, patience=240):
    """Train in new processes, for at most so many seconds; give their exit
    codes."""
    run.count += 1
    folder = Path(config.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / f'store{run.count}'
    processes = [
        PROCESSES.Process(
            target=train, args=(config, rank, world, stop, str(store)))
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(patience)
        if process.is_alive():
            process.kill()
            raise AssertionError('the run hangs')
    return [process.exitcode for process in processes]


run.count = 0


def differences(first, second, path=''):
    """Name everything that two checkpoints do not have alike.

    Left out is what tells the time, where the run lay, and the commit.
    """
    clock = ('time', 'eta', 'experiment_name', 'config', 'cfg', 'last_ckpt',
             'mmengine_version')
    if isinstance(first, dict):
        if set(first) != set(second):
            yield f'{path}: {set(first) ^ set(second)}'
            return
        for key in first:
            if not any(word in str(key).split('/')[-1].split('_') or
                       word == key for word in clock):
                yield from differences(first[key], second[key],
                                       f'{path}.{key}')
    elif isinstance(first, (list, tuple)):
        if len(first) != len(second):
            yield f'{path}: {len(first)} and {len(second)} items'
            return
        for number, pair in enumerate(zip(first, second)):
            yield from differences(*pair, f'{path}[{number}]')
    elif isinstance(first, torch.Tensor):
        if not torch.equal(first, second):
            off = (first.double() - second.double()).abs().max()
            yield f'{path}: up to {off:.3g}'
    elif hasattr(first, '_log_history'):  # mmengine's HistoryBuffer
        if not (first._log_history == second._log_history).all():
            yield f'{path}: another history'
    elif first != second:
        yield f'{path}: {first!r} and {second!r}'

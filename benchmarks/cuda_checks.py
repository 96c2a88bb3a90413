"""What only a CUDA device can tell about the package: checks of one part.

    python benchmarks/cuda_checks.py exact --device cuda --out cuda/exact.json

``benchmarks/cuda.sh`` runs all parts, and the figures. Each writes a JSON
file of its own, and ends with 1 if a check failed. On a CPU the same checks
run, but for those of the device itself, which say that they were left out.
"""
import argparse
import copy
import json
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from branch import SIZES
from branch import step as branch_step
from branch_sides import Relations, build, make_batches, with_small_clusters
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from study import BFloat16OptimWrapper  # noqa: F401 (registers)
from torch import multiprocessing

import interclr_plugin  # noqa: F401 (registers)

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
MOCO = 'interclr-moco_resnet18_1xb64-coslr-50e_digits'
STRATEGIES = ('semi-hard, candidates', 'semi-hard, exact', 'semi-easy, exact',
              'hard', 'random')


class Checks:
    """Collect what was found beside what is allowed."""

    def __init__(self):
        self.rows = []

    def add(self, name, found, allowed):
        """At most ``allowed``; a number that is none is refused, too."""
        ok = bool(found <= allowed)
        self.rows.append(dict(name=name, ok=ok, found=found, allowed=allowed))
        print(f'{"ok  " if ok else "FAIL"} {name}: {found} (at most '
              f'{allowed})', flush=True)

    def left_out(self, name, reason):
        self.rows.append(dict(name=name, ok=None, reason=reason))
        print(f'left out: {name}: {reason}', flush=True)


# The branch beside the CPU's.
def exact(checks, options):
    """Draws of the CPU, compared and stored on both devices."""
    size = SIZES[options.size]
    torch.manual_seed(0)
    here, there = build('ours', size), build('ours', size, options.device)
    for tensor in ('features', 'labels', 'centroids'):
        there.bank.load(**{tensor: getattr(here.bank, tensor)})
    batch, = make_batches(size, here.features, 1)
    for strategy in STRATEGIES:
        found = []
        for side in (here, there):
            side.use(strategy)
            device = side.labels.device
            draw = here.branch.sampler.draw(
                batch[2], here.bank.rows, here.labels,
                torch.Generator().manual_seed(1), here.bank.members)
            if side is there:
                draw = type(draw)(*(
                    each if each is None else each.to(device)
                    for each in draw))
            query = batch[0].to(device, copy=True).requires_grad_()
            pairs = side.branch.sampler.compare(
                F.normalize(query, dim=1), batch[2].to(device), side.features,
                side.labels, draw)
            loss = side.branch.loss(pairs.positive_similarity,
                                    pairs.negative_similarity, pairs.valid)
            loss.backward()
            found.append((loss.detach().cpu(), query.grad.cpu()))
        (loss, gradient), (other, its) = found
        checks.add(f'{strategy}: loss, relative',
                   float((other - loss).abs() / loss), 1e-5)
        checks.add(f'{strategy}: gradient, relative to its largest',
                   float((its - gradient).abs().max() / gradient.abs().max()),
                   1e-3)
    for side in (here, there):
        side.update(batch[1].to(side.labels.device),
                    batch[2].to(side.labels.device))
    compare_banks(checks, 'a write', here, there)
    # From equal banks, whatever ties did.
    small = with_small_clusters(here.labels, size,
                                max(1, size['clusters'] // 100))
    for side in (here, there):
        side.bank.load(features=here.features)
        side.restore(small, here.centroids)
        side.update_centroids()
    compare_banks(checks, 'means of the clusters', here, there)
    there.repair_small_clusters()
    least = there.branch.labels.min_cluster_size
    left = int((there.bank.sizes() < least).sum())
    checks.add('small clusters after a repair', left, 0)
    kept = there.bank.sums
    there.bank.load(labels=there.labels.clone())
    anew = there.bank.sums
    checks.add('sums that were kept, less sums made anew',
               int((kept._sums - anew._sums).abs().max()), 0)


def compare_banks(checks, name, here, there):
    """Rows, labels and centroids of both devices."""
    bank, other = here.bank, there.bank
    checks.add(f'{name}: rows',
               float((other.features.cpu() - bank.features).abs().max()), 1e-5)
    checks.add(f'{name}: labels that differ, share',
               float((other.labels.cpu() != bank.labels).double().mean()),
               1e-5)
    checks.add(f'{name}: centroids',
               float((other.centroids.cpu() - bank.centroids).abs().max()),
               1e-5)


# Waits for the device.
def waits(checks, options):
    """No part of a step may wait but the two that docs/method.md names."""
    if options.device == 'cpu':
        checks.left_out('waits of a step', 'a CPU is never waited for')
        return
    size = SIZES[options.size]
    side = build('ours', size, options.device)
    batches = make_batches(size, side.features, 4)
    for strategy in STRATEGIES:
        side.use(strategy)
        for batch in batches:  # the first makes what is kept
            step = waits_of(partial(branch_step, side, batch))
        checks.add(f'{strategy}: waits of forward, backward and write',
                   step, 0)
    relations = Relations(side)
    for batch in batches:
        step = waits_of(partial(branch_step, relations, batch))
    checks.add('relations: waits of forward, backward and write', step, 0)
    checks.add("waits of the labels' cadence",
               waits_of(side.branch.after_step), 1)
    checks.add('waits of the question for faults',
               waits_of(lambda: side.branch.faults.stop(side.bank)), 1)


def waits_of(action):
    """Count operations for which the host waits."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter('always')
            action()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return sum('synchroniz' in str(each.message) for each in said)


# Trainings through mmengine's Runner.
class Losses(Hook):
    """Keep the losses of each step."""

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.steps.append({
            name: float(value)
            for name, value in outputs.items() if 'loss' in name
        })


def run(path, work_dir, epochs=1, hooks=(), **changes):
    """Train a digits configuration for a few steps."""
    run.count += 1
    config = Config.fromfile(path)
    config.experiment_name = f'cuda_{os.getpid()}_{run.count}'
    config.work_dir = str(work_dir)
    config.log_level = 'ERROR'
    config.custom_hooks = [
        hook for hook in config.custom_hooks
        if hook.type in ('MemoryBankHook', 'ExactResumeHook')
    ]
    config.merge_from_dict({
        'train_cfg.max_epochs': epochs,
        'train_dataloader.batch_size': 16,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.indices': 96,
        'model.inter_image.num_clusters': 6,
        'model.inter_image.sampler.num_negatives': 16,
        'default_hooks.checkpoint.interval': 1,
        **changes
    })
    if not torch.cuda.is_available():  # MoCo's, where this script is tried
        config.model.backbone.update(base_channels=4, stem_channels=4)
        config.model.neck.in_channels = 32
    if 'queue_len' in config.model:
        config.model.queue_len = 64
    if 'memory_bank' in config.model:
        config.model.memory_bank.length = 96
        config.model.neg_num = 16
    runner = Runner.from_cfg(config)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


run.count = 0


def algorithms(checks, options):
    """Every algorithm of both libraries, in each precision."""
    paths = sorted(CONFIGS.glob('mm*/interclr-*_digits_mm*.py'))
    if options.size == 'XS':
        paths = [path for path in paths if '-moco_' in path.name]
    for path in paths:
        scope, name = path.parent.name, path.name.split('_')[0]
        for dtype in ('float32', 'float16', 'bfloat16'):
            if (dtype, options.device) == ('float16', 'cpu'):
                checks.left_out(f'{scope} {name} float16',
                                'trained on CUDA alone')
                continue
            changes = {}
            if dtype != 'float32':
                # mmengine's own refuses a CPU.
                changes = {'optim_wrapper.type': 'BFloat16OptimWrapper'}
                if options.device != 'cpu':
                    changes = {'optim_wrapper.type': 'AmpOptimWrapper',
                               'optim_wrapper.dtype': dtype}
            losses = Losses()
            try:
                run(path, options.work / f'{scope}-{name}-{dtype}',
                    hooks=[losses], **changes)
            except Exception as error:  # the next may tell more
                print(f'{type(error).__name__}: {error}')
            bad = sum(not torch.tensor(list(step.values())).isfinite().all()
                      for step in losses.steps)
            checks.add(f'{scope} {name} {dtype}: steps without finite losses',
                       6 - len(losses.steps) + bad, 0)


def resume(checks, options):
    """Stopped after an epoch and resumed, beside a run without a stop."""
    path = sorted(CONFIGS.glob(f'mm*/{MOCO}_mm*.py'))[0]
    states = {}
    for name, epochs in (('whole', (2, )), ('again', (2, )),
                         ('stopped', (1, 2))):
        for number, each in enumerate(epochs):
            runner = run(path, options.work / name, each,
                         **{'resume': number > 0, 'randomness.seed': 0,
                            'train_cfg.max_epochs': each})
        states[name] = copy.deepcopy(runner.model.state_dict())

    def distance(first, second):
        return max(
            float((value.double() - states[second][key].double()).abs().max())
            for key, value in states[first].items()
            if key != 'inter_image.bank.labels')

    # On CUDA some sums have no fixed order: two equal runs differ too.
    noise = distance('whole', 'again')
    checks.add('resumed less not stopped, largest number of the state',
               distance('whole', 'stopped'),
               0 if options.device == 'cpu' else max(1e-4, 10 * noise))
    labels = [states[name]['inter_image.bank.labels'] for name in
              ('whole', 'stopped')]
    checks.add('labels that differ, share',
               float((labels[0] != labels[1]).double().mean()),
               0 if options.device == 'cpu' else 0.05)
    return dict(two_equal_runs=noise)


# Several processes.
def processes(checks, options):
    """One process for each device, and one alone."""
    devices = 2 if options.device == 'cpu' else torch.cuda.device_count()
    for world in sorted({1, devices}):
        folder = options.work / f'processes{world}'
        folder.mkdir(parents=True)
        multiprocessing.spawn(
            one_process, (world, str(folder), options.device), nprocs=world)
        states = [torch.load(folder / f'{rank}.pth', map_location='cpu')
                  for rank in range(world)]
        # Batch statistics are each process's own.
        differing = [
            name for name, value in states[0].items()
            if 'running_' not in name and any(
                not torch.equal(value, state[name]) for state in states)
        ]
        checks.add(f'{world} processes: tensors that differ', len(differing),
                   0)
        checks.add(f'{world} processes: steps that are missing',
                   6 // world - int(states[0]['inter_image.bank.step']), 0)
    if devices == 1:
        checks.left_out('several devices', 'there is one')


def one_process(rank, world, folder, device):
    backend = 'gloo' if device == 'cpu' else 'nccl'
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world))
    if device != 'cpu':
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        backend, init_method=f'file://{folder}/store', rank=rank,
        world_size=world)
    path = sorted(CONFIGS.glob(f'mm*/{MOCO}_mm*.py'))[0]
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False)
    if device == 'cpu':
        wrapper['device_ids'] = None
    runner = run(path, f'{folder}/run', launcher='pytorch',
                 model_wrapper_cfg=wrapper)
    torch.save(runner.model.module.state_dict(), f'{folder}/{rank}.pth')
    torch.distributed.barrier()
    os._exit(0)


PARTS = dict(exact=exact, waits=waits, algorithms=algorithms, resume=resume,
             processes=processes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('part', choices=PARTS)
    parser.add_argument('--device', default='cuda', choices=('cuda', 'cpu'))
    parser.add_argument('--size', choices=SIZES, default='L')
    parser.add_argument('--out', required=True, help='a JSON file')
    options = parser.parse_args()
    if options.device == 'cuda' and not torch.cuda.is_available():
        parser.error('torch finds no CUDA device; --device cpu tries the '
                     'script without one')
    out = Path(options.out)
    options.work = out.with_suffix('.runs')
    checks, start = Checks(), time.perf_counter()
    figures = PARTS[options.part](checks, options) or {}
    out.write_text(json.dumps(dict(
        part=options.part,
        device=torch.cuda.get_device_name() if options.device == 'cuda'
        else 'cpu',
        torch=torch.__version__,
        cuda=torch.version.cuda,
        seconds=round(time.perf_counter() - start, 1),
        ok=all(row['ok'] is not False for row in checks.rows),
        checks=checks.rows,
        figures=figures), indent=2) + '\n')
    sys.exit(any(row['ok'] is False for row in checks.rows))


if __name__ == '__main__':
    main()

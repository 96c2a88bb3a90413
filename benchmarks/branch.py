"""Time and memory of the inter-image branch beside that of mmselfsup 0.x.

    python benchmarks/branch.py --size M --out branch_m.json

Both are measured in turns within one run, on the same synthetic clusters and
the same batches. Peak memory is that of a process of its own for each. The
reference is ``reference_0x.py``, a plain implementation of docs/method.md 9.4
and 10, not the released code.
"""
import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from operator import methodcaller
from pathlib import Path

import torch
from branch_sides import (
    FEAT_DIM,
    Relations,
    build,
    make_batches,
    with_small_clusters,
)
from matplotlib.figure import Figure

SIZES = {
    # To try a command.
    'XS': dict(images=3000, clusters=30, negatives=64, pool=300, batch=8),
    'S': dict(images=50000, clusters=500, negatives=1024, pool=5000, batch=64),
    'M': dict(
        images=200000, clusters=2000, negatives=4096, pool=20000, batch=32),
    'L': dict(
        images=1281167,
        clusters=10000,
        negatives=16384,
        pool=128000,
        batch=32),
    'XL': dict(
        images=14197122,
        clusters=100000,
        negatives=16384,
        pool=1419712,
        batch=32),
}
STRATEGIES = ('semi-hard', 'semi-hard, candidates', 'semi-easy', 'hard',
              'random')
SIDES = ('ours', 'reference')
# Processor time, with one thread, tells more where others use the machine.
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


def after_the_device():
    """Wall time at which a GPU has done what it was asked."""
    torch.cuda.synchronize()
    return time.perf_counter()


def step(side, batch):
    """What a training step costs: forward, backward and update."""
    query, key, index = batch
    side.step(query.clone().requires_grad_(), key, index).backward()


def measure(both, batches, clock, action, prepare=None):
    """Seconds of each side in turns; the first two rounds warm up."""
    seconds = {name: [] for name in both}
    for number, batch in enumerate(batches):
        for name in list(both)[::1 if number % 2 else -1]:
            if prepare is not None:
                prepare(both[name])
            start = clock()
            action(both[name], batch)
            if number >= 2:
                seconds[name].append(clock() - start)
    return row_of(seconds)


def measure_parts(both, batches, clock):
    """The parts of a step, by name."""
    seconds = {}
    for number, batch in enumerate(batches):
        for name in list(both)[::1 if number % 2 else -1]:
            query, key, index = batch
            start = clock()
            for part in both[name].parts(query.clone(), key, index):
                if number >= 2:
                    seconds.setdefault(part, {}).setdefault(name, []).append(
                        clock() - start)
                start = clock()
    return {part: row_of(each) for part, each in seconds.items()}


def row_of(seconds):
    """Medians and quartiles of each side in milliseconds, and their ratio."""
    row = {}
    for name, values in seconds.items():
        low, middle, high = statistics.quantiles(
            [1000 * each for each in values], n=4, method='inclusive')
        row[name] = dict(median=middle, quartiles=(low, high))
    if len(seconds) > 1:
        row['ratio'] = row['ours']['median'] / row['reference']['median']
    return row


def measure_times(size, sides, strategies, repeats, clock, device):
    """Milliseconds of everything that the branch does."""
    both = {name: build(name, size, device) for name in sides}
    batches = make_batches(size, both['ours'].features, repeats + 2)
    rows = {}
    for strategy in strategies:
        for side in both.values():
            side.use(strategy)
        rows[f'step, {strategy}'] = measure(both, batches, clock, step)
        for part, row in measure_parts(both, batches, clock).items():
            rows[f'- {part}, {strategy}'] = row
        rows[f'- floor: its two products, {strategy}'] = measure(
            dict(ours=both['ours'].floor()), batches, clock,
            lambda run, batch: run(batch[0]))
    ours = both['ours']
    ours.use('semi-hard, candidates')
    relations = Relations(ours)
    rows['step, relations; beside it, the default'] = measure(
        dict(ours=relations, reference=ours), batches, clock, step)
    rows['- their axes, every 40 steps'] = measure(
        dict(ours=relations), batches, clock, lambda side, batch: side.look())
    rows['centroid update'] = measure(
        both, batches, clock, lambda side, batch: side.update_centroids())
    # The steps moved labels: start the repairs from a state without small
    # clusters.
    even = torch.arange(size['images']) % size['clusters']
    for name, count in (('none', 0), ('one', 1),
                        ('1 %', size['clusters'] // 100)):
        labels = with_small_clusters(even, size, count)
        both['ours'].restore(labels, both['ours'].centroids)
        both['ours'].update_centroids()
        rows[f'small clusters: {name}'] = measure(
            both, batches, clock,
            lambda side, batch: side.repair_small_clusters(),
            methodcaller('restore', labels, both['ours'].centroids.clone()))
    return rows


def use_memory(name, size, strategies):
    """Do everything once, to be looked at from outside."""
    side = build(name, size)
    for strategy in strategies:
        side.use(strategy)
        for batch in make_batches(size, side.features, 2):
            step(side, batch)
    side.update_centroids()
    side.restore(
        with_small_clusters(side.labels, size, size['clusters'] // 100),
        side.centroids)
    side.repair_small_clusters()


def peak_megabytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == 'darwin' else 1 << 10)


def measure_memory(options):
    """Peak megabytes of a process that does nothing, and of each side."""
    peaks = {}
    for name in ('imports', *sides_of(options)):
        command = [
            sys.executable, __file__, '--size', options.size, '--threads',
            str(options.threads), '--peak-of', name, '--strategies',
            *options.strategies
        ]
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True).stdout
        peaks[name] = float(output.split()[-1])
    return peaks


def sides_of(options):
    # The reference would need minutes a step at the largest size, and is
    # written for the CPU.
    alone = options.size == 'XL' or options.device != 'cpu'
    return SIDES[:1] if alone else SIDES


def show(number):
    """Three digits, or all before the point."""
    return f'{number:.3g}' if number < 1000 else f'{number:,.0f}'


def table(result):
    """The result in Markdown."""
    size = result['setting']
    lines = [
        f'{result["size"]}: N {size["images"]:,}, D {FEAT_DIM}, '
        f'C {size["clusters"]:,}, K {size["negatives"]:,}, '
        f'P {size["pool"]:,}, B {size["batch"]}; {result["threads"]} threads, '
        f'torch {result["torch"]}; {result["clock"]} time, median of '
        f'{result["repeats"]} [quartiles], milliseconds', '',
        '| | ours | reference of 0.x | ours / reference |',
        '| --- | --- | --- | --- |'
    ]
    for name, row in result['times'].items():
        cells = []
        for side in SIDES:
            if side not in row:
                cells.append('')
                continue
            low, high = row[side]['quartiles']
            cells.append(f'{show(row[side]["median"])} '
                         f'[{show(low)}, {show(high)}]')
        lines.append(f'| {name} | {cells[0]} | {cells[1]} | '
                     f'{row.get("ratio", math.nan):.3f} |')
    if result['memory'] and 'reference' in result['memory']:
        ours, theirs = (result['memory'][side] for side in SIDES)
        lines.append(f'| peak memory, MB ({result["memory"]["imports"]:.0f} '
                     f'of them imports) | {ours:.0f} | {theirs:.0f} | '
                     f'{ours / theirs:.2f} |')
    return '\n'.join(lines)


def plot(result, path):
    """Bars of both sides, one below the other."""
    times = result['times']
    figure = Figure(figsize=(9, 1 + 0.3 * len(times)), layout='constrained')
    axes = figure.subplots()
    for number, side in enumerate(SIDES):
        places = [
            (place + 0.4 * number, row[side]['median'])
            for place, row in enumerate(times.values()) if side in row
        ]
        if places:
            axes.barh(*zip(*places), height=0.4, label=side)
    axes.set_yticks([place + 0.2 for place in range(len(times))], list(times))
    axes.invert_yaxis()
    axes.set_xscale('log')
    axes.set_xlabel(f'milliseconds ({result["clock"]} time), size '
                    f'{result["size"]}, {result["threads"]} threads')
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--size', choices=SIZES, default='M')
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--strategies', nargs='+', choices=STRATEGIES, default=STRATEGIES)
    parser.add_argument('--clock', choices=CLOCKS, default='wall')
    parser.add_argument('--device', default='cpu', help='cuda: ours alone')
    parser.add_argument('--no-memory', action='store_true')
    parser.add_argument('--out', help='write this JSON, and a plot beside it')
    # Used by this script itself, in a process of its own.
    parser.add_argument(
        '--peak-of', choices=('imports', *SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.repeats < 2:
        parser.error(f'--repeats {options.repeats} must be at least 2')
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    size = SIZES[options.size]
    clock = CLOCKS[options.clock]
    if options.device != 'cpu':
        clock = after_the_device
    if options.peak_of:
        if options.peak_of != 'imports':
            use_memory(options.peak_of, size, options.strategies)
        print(peak_megabytes())
        return
    result = dict(
        size=options.size,
        setting=dict(size, feat_dim=FEAT_DIM),
        torch=torch.__version__,
        threads=options.threads,
        clock=options.clock,
        repeats=options.repeats,
        # First, while this process is small: a child inherits its peak.
        memory=None if options.no_memory or options.device != 'cpu' else
        measure_memory(options),
        times=measure_times(size, sides_of(options), options.strategies,
                            options.repeats, clock, options.device))
    print(table(result))
    if options.device != 'cpu':
        peak = torch.cuda.max_memory_allocated() / 1e6
        result['gpu_megabytes'] = peak
        print(f'peak memory of the GPU: {peak:.0f} MB, bank included')
    if options.out:
        with open(options.out, 'w') as file:
            json.dump(result, file, indent=2)
        plot(result, str(Path(options.out).with_suffix('.png')))


if __name__ == '__main__':
    main()

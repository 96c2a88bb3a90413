"""Time and memory of the inter-image branch beside that of mmselfsup 0.x.

    python benchmarks/branch.py --size M --out branch_m.json

Both are measured in turns within one run, on the same synthetic clusters and
the same batches. Peak memory is that of a process of its own for each. The
reference is ``reference_0x.py``, a plain implementation of METHOD.md 9 and
10, not the released code.
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

import torch
import torch.nn.functional as F
from reference_0x import Reference0x

from interclr_plugin.inter_image import InterImageBranch

FEAT_DIM = 128
MIN_CLUSTER_SIZE = 20
SIZES = {
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


class Ours:
    """The package, with the names that the reference has."""

    def __init__(self, size):
        self.branch = InterImageBranch(
            num_clusters=size['clusters'],
            feat_dim=FEAT_DIM,
            labels=dict(min_cluster_size=MIN_CLUSTER_SIZE),
            sampler=dict(
                num_negatives=size['negatives'],
                pool_fraction=size['pool'] / size['images']))
        self.branch.allocate(size['images'], seed=0)
        self.branch.ready.fill_(1)
        self.features = self.branch.bank.features
        self.labels = self.branch.labels.labels
        self.centroids = self.branch.labels.centroids

    def use(self, strategy):
        sampler = self.branch.sampler
        sampler.strategy, _, pool = strategy.partition(', ')
        sampler.pool = pool or 'exact'

    def step(self, query, key, index):
        return self.branch(query, key, index)[0]

    def update(self, key, index):
        self.branch.update(key, index)

    def restore(self, labels, centroids):
        self.labels.copy_(labels)
        self.centroids.copy_(centroids)
        # Otherwise the next call would first notice what was written here.
        self.branch.labels.before_write(labels[:0], self.features)
        self.branch.labels.write(labels[:0], labels[:0], self.features)

    def update_centroids(self):
        self.branch.labels.update_centroids(self.features)

    def repair_small_clusters(self):
        self.branch.labels.repair_small_clusters(
            self.features, self.branch.random.shared())


class Theirs(Reference0x):

    def __init__(self, size):
        super().__init__(
            torch.zeros(size['images'], FEAT_DIM),
            torch.zeros(size['images'], dtype=torch.long),
            torch.zeros(size['clusters'], FEAT_DIM),
            strategy='semi-hard',
            num_negatives=size['negatives'],
            pool_size=size['pool'],
            min_cluster_size=MIN_CLUSTER_SIZE)

    def use(self, strategy):
        self.strategy = strategy.partition(', ')[0]  # it has one pool

    def restore(self, labels, centroids):
        self.labels.copy_(labels)
        self.centroids.copy_(centroids)


def build(side, size):
    """One side, its bank full of clusters."""
    result = Ours(size) if side == 'ours' else Theirs(size)
    draw = torch.Generator().manual_seed(0)
    # Half of the images are shared out evenly, so that no cluster is small.
    half = torch.arange(size['images'] // 2) % size['clusters']
    rest = torch.randint(
        size['clusters'], (size['images'] - len(half), ), generator=draw)
    result.labels.copy_(torch.cat((half, rest)))
    centres = torch.randn(size['clusters'], FEAT_DIM, generator=draw)
    for rows, labels in zip(
            result.features.split(50000), result.labels.split(50000)):
        noise = torch.randn(rows.shape, generator=draw)
        rows.copy_(F.normalize(centres[labels] + noise, dim=1))
    result.update_centroids()
    return result


def make_batches(size, features, count):
    """Raw queries and keys near the rows of some images."""
    draw = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        index = torch.randperm(size['images'], generator=draw)[:size['batch']]
        noise = torch.randn(2, size['batch'], FEAT_DIM, generator=draw)
        query, key = 10 * (features[index] + 0.05 * noise)
        batches.append((query, key, index))
    return batches


def with_small_clusters(labels, size):
    """Leave 1 % of the clusters with half of the least allowed size."""
    draw = torch.Generator().manual_seed(2)
    labels = labels.clone()
    clusters = size['clusters']
    for cluster in torch.randperm(
            clusters, generator=draw)[:clusters // 100].tolist():
        members = (labels == cluster).nonzero().flatten()
        away = members[MIN_CLUSTER_SIZE // 2:]
        labels[away] = torch.randint(clusters, (len(away), ), generator=draw)
    return labels


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
    row = {}
    for name in both:
        low, middle, high = statistics.quantiles(
            [1000 * each for each in seconds[name]], n=4, method='inclusive')
        row[name] = dict(median=middle, quartiles=(low, high))
    if len(both) > 1:
        row['ratio'] = row['ours']['median'] / row['reference']['median']
    return row


def measure_times(size, sides, strategies, repeats, clock):
    """Milliseconds of everything that the branch does."""
    both = {name: build(name, size) for name in sides}
    batches = make_batches(size, both['ours'].features, repeats + 2)
    rows = {}
    for strategy in strategies:
        for side in both.values():
            side.use(strategy)
        rows[f'step, {strategy}'] = measure(both, batches, clock, step)
    rows['of it: bank and label update'] = measure(
        both, batches, clock, lambda side, batch: side.update(*batch[1:]))
    rows['centroid update'] = measure(
        both, batches, clock, lambda side, batch: side.update_centroids())
    # The steps moved labels: start the repairs from a state without small
    # clusters.
    even = torch.arange(size['images']) % size['clusters']
    for name, labels in (('small clusters: none', even),
                         ('small clusters: 1 %',
                          with_small_clusters(even, size))):
        both['ours'].labels.copy_(labels)
        both['ours'].update_centroids()
        rows[name] = measure(
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
    side.labels.copy_(with_small_clusters(side.labels, size))
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
    # The reference would need minutes a step at the largest size.
    return SIDES[:1] if options.size == 'XL' else SIDES


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--size', choices=SIZES, default='M')
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--strategies', nargs='+', choices=STRATEGIES, default=STRATEGIES)
    parser.add_argument('--clock', choices=CLOCKS, default='wall')
    parser.add_argument('--no-memory', action='store_true')
    parser.add_argument('--out', help='write the result as JSON')
    # Used by this script itself, in a process of its own.
    parser.add_argument(
        '--peak-of', choices=('imports', *SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.repeats < 2:
        parser.error(f'--repeats {options.repeats} must be at least 2')
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    size = SIZES[options.size]
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
        memory=None if options.no_memory else measure_memory(options),
        times=measure_times(size, sides_of(options), options.strategies,
                            options.repeats, CLOCKS[options.clock]))
    print(table(result))
    if options.out:
        with open(options.out, 'w') as file:
            json.dump(result, file, indent=2)


if __name__ == '__main__':
    main()

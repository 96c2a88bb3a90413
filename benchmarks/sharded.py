"""What the branch costs by the number of images, on one process and several.

    python benchmarks/sharded.py 1281167 --processes 2
    python benchmarks/sharded.py 14197122 --processes 4 --dtype float16

Synthetic rows; the processes talk by gloo. For each kind of bank it prints the
seconds of start-up and checkpoint, the milliseconds of a step, a centroid
update and a repair of a share of the clusters (its steps together, and its
longest), the bytes that a process sends in a step, its peak memory, and the
longest of ``--steps`` with repairs among them over the median step without.
"""
import argparse
import json
import math
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as torch_dist
import torch.nn.functional as F
from mmengine import dist
from torch import multiprocessing

from interclr_plugin.checkpoints import bank_shards
from interclr_plugin.inter_image import InterImageBranch

CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


def build(options, kind):
    """A bank in memory, with clusters of even sizes."""
    clusters = options.images // 128
    branch = InterImageBranch(
        num_clusters=clusters,
        feat_dim=options.width,
        bank=dict(type=kind, dtype=options.dtype),
        labels=dict(min_cluster_size=20),
        sampler=dict(
            num_negatives=options.negatives, pool_fraction=options.pool))
    branch.allocate(options.images, seed=0)
    draw = torch.Generator().manual_seed(dist.get_rank())
    # The rows of a block again and again: to draw each would take minutes.
    block = F.normalize(
        torch.randn(1 << 16, options.width, generator=draw), dim=1)
    for held in branch.bank.features.split(len(block)):
        held.copy_(block[:len(held)])
    branch.bank.load(
        labels=torch.arange(options.images, dtype=torch.int32) % clusters)
    return branch


def shrink(branch, share):
    """Leave a share of the clusters with a few members."""
    sizes = branch.bank.sums.sizes
    clusters = torch.arange(int(share * len(sizes)))
    images = branch.bank.members.of(clusters, branch.bank.labels)
    images = images[torch.arange(len(images)) % 16 != 0]
    draw = torch.Generator().manual_seed(7)
    branch.bank.write(
        images, None,
        torch.randint(
            len(clusters), len(sizes), images.shape, generator=draw))


def counted(sent):
    """Count what a process hands to the others."""
    world, rank = dist.get_world_size(), dist.get_rank()

    def counts(stock):

        def call(data, *args, **kwargs):
            sent.append(data.numel() * data.element_size())
            return stock(data, *args, **kwargs)

        return call

    dist.all_gather = counts(dist.all_gather)
    dist.all_reduce = counts(dist.all_reduce)
    exchange = torch_dist.all_to_all_single

    def exchanged(output, data, received=None, given=None):
        given = given or [len(data) // world] * world
        row = data[:1].numel() * data.element_size()
        sent.append(row * (sum(given) - given[rank]))
        return exchange(output, data, received, given)

    torch_dist.all_to_all_single = exchanged


def measure(options, kind):
    clock, row = CLOCKS[options.clock], {'imports, MB': peak()}
    branch = build(options, kind)
    start = clock()
    branch.prepare()
    row['start-up, s'] = clock() - start
    sent, draw = [], torch.Generator().manual_seed(1 + dist.get_rank())
    if dist.get_world_size() > 1:
        counted(sent)
    times, quiet, updates = [], [], []
    for step in range(options.steps):
        if options.small and step in (options.steps // 3,
                                      2 * options.steps // 3):
            shrink(branch, options.small)
        del sent[:]
        index = torch.randint(
            options.images, (options.batch, ), generator=draw)
        query, key = torch.randn(
            2, options.batch, options.width, generator=draw)
        start = clock()
        branch(query.requires_grad_(), key, index)[0].backward()
        middle = clock()
        repairs = bool((branch.bank.sums.sizes < 20).any())
        branch.after_step()
        if step >= 2:
            times.append(1000 * (clock() - start))
            if not repairs:
                quiet.append(times[-1])
                if (step + 1) % 10 == 0:
                    updates.append(1000 * (clock() - middle))
        small = int((branch.bank.sums.sizes < 20).sum())
        if step == 2 * options.steps // 3 - 1:
            row['bytes sent, last step'] = sum(sent)
    row['step, ms'] = statistics.median(quiet)
    row['centroid update, ms'] = statistics.median(updates or [math.nan])
    row['longest step / median'] = max(times) / row['step, ms']
    row['clusters still small'] = small
    if options.small:
        shrink(branch, options.small)
    repairs = []
    while (branch.bank.sums.sizes < 20).any():
        start = clock()
        branch.labels.repair_small_clusters(branch.bank, branch.bank.shared())
        repairs.append(1000 * (clock() - start))
    row[f'repair of {options.small:.0%}, ms'] = sum(repairs)
    row['its longest step, ms'] = max(repairs, default=0.)
    row['its steps'] = len(repairs)
    row['peak before the checkpoint, MB'] = peak()
    with tempfile.TemporaryDirectory() as folder:
        start = clock()
        bank_shards.write(branch.bank.features, f'{folder}/rows', None)
        dist.barrier()
        row['checkpoint of rows, s'] = clock() - start
    row['peak, MB'] = peak()
    return row


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def work(rank, options, kind, folder):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    torch.set_num_threads(max(1, options.threads // options.processes))
    if options.processes > 1:
        torch_dist.init_process_group(
            'gloo',
            init_method=f'file://{folder}/store',
            rank=rank,
            world_size=options.processes)
    Path(folder, f'{rank}.json').write_text(json.dumps(measure(options, kind)))
    dist.barrier()
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('images', type=int)
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--kinds', nargs='+',
                        default=['ClusteredBank', 'ShardedMemoryBank'])
    parser.add_argument('--width', type=int, default=128)
    parser.add_argument('--dtype', default='float32')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--negatives', type=int, default=16384)
    parser.add_argument('--pool', type=float, default=0.1)
    parser.add_argument('--steps', type=int, default=60)
    parser.add_argument('--small', type=float, default=0.01,
                        help='share of the clusters that repairs find')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--clock', choices=CLOCKS, default='wall')
    options = parser.parse_args()
    print(vars(options))
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            multiprocessing.spawn(
                work, (options, kind, folder), nprocs=options.processes)
            rows = [
                json.loads(path.read_text())
                for path in sorted(Path(folder).glob('*.json'))
            ]
        for name in rows[0]:
            values = ', '.join(f'{row[name]:.4g}' for row in rows)
            print(f'| {kind} | {name} | {values} |', flush=True)


if __name__ == '__main__':
    main()

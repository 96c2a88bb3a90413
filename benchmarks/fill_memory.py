"""Memory that filling the bank takes beside the bank.

    python benchmarks/fill_memory.py 1281167 --dtype float16
    python benchmarks/fill_memory.py 1281167 --at-once

The features are random numbers, so that nothing but the fill counts: the
peak of the process's memory is read from the system, less what it had with
an empty bank. ``--at-once`` is the way of version 1.1: all features first.
"""
import argparse
import resource
import time

import torch
from torch import nn

from interclr_plugin.datasets.extraction import extract, extract_batches
from interclr_plugin.inter_image import InterImageBranch

MB = 1e6


def memory():
    """Peak of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('images', type=int)
    parser.add_argument('--width', type=int, default=128)
    parser.add_argument('--dtype', default='float32')
    parser.add_argument('--batch', type=int, default=256)
    parser.add_argument('--at-once', action='store_true')
    options = parser.parse_args()
    torch.set_num_threads(1)
    branch = InterImageBranch(
        num_clusters=10,
        feat_dim=options.width,
        bank=dict(dtype=options.dtype))
    branch.allocate(options.images, seed=0)
    branch.bank.features.add_(1)  # memory is given when it is written
    model = nn.Linear(1, 1)
    work = (range(options.images), model,
            lambda batch: torch.randn(len(batch), options.width))
    # What torch and a loader take by themselves.
    for _ in extract_batches(range(options.batch), *work[1:]):
        pass
    before, started = memory(), time.time()
    if options.at_once:
        branch.fill(extract(*work, batch_size=options.batch))
    else:
        for rows, features in extract_batches(
                *work, batch_size=options.batch):
            branch.fill(features, rows)
        branch.bank.rows.share()
    bank = branch.bank.features
    print(f'{options.images} images, {options.dtype}: bank '
          f'{bank.numel() * bank.element_size() / MB:.0f} MB, beside it '
          f'{(memory() - before) / MB:.0f} MB, '
          f'{time.time() - started:.0f} s')


if __name__ == '__main__':
    main()

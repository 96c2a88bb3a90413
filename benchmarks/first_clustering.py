"""Time and objective of the first clustering beside faiss's own k-means.

    python benchmarks/first_clustering.py --size M

On the clusters of ``branch.py``'s sizes, in turns within one run. Ours uses
faiss for its products where that is installed; ``--engine torch`` does
without.
"""
import argparse
import json
import statistics
import time
from pathlib import Path

import faiss
import torch
from branch import SIZES
from branch_sides import build

from interclr_plugin.inter_image import kmeans
from interclr_plugin.inter_image.rows import Rows


def ours(features, clusters, iterations, seed):
    generator = torch.Generator(features.device).manual_seed(seed)
    labels, _ = kmeans.fit(Rows(features), clusters, generator, iterations)
    return labels.cpu()


def theirs(features, clusters, iterations, seed):
    engine = faiss.Kmeans(
        features.shape[1],
        clusters,
        niter=iterations,
        seed=seed,
        # All rows, as ours: by default it would take 256 a cluster.
        max_points_per_centroid=len(features),
        min_points_per_centroid=1)
    engine.train(features.numpy())
    return torch.from_numpy(engine.index.search(features.numpy(), 1)[1])[:, 0]


def objective(features, labels, clusters):
    """Squared distances to the means of the members, summed."""
    centroids = kmeans.means_of_members(
        Rows(features), labels,
        features.new_zeros(clusters, features.shape[1]))
    return sum(
        float((rows - centroids[numbers]).square().sum(dtype=torch.float64))
        for rows, numbers in zip(features.split(1 << 16),
                                 labels.split(1 << 16)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--size', choices=SIZES, default='M')
    parser.add_argument('--iterations', type=int, default=20)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu', help="of ours; faiss's CPU")
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--engine', choices=('faiss', 'torch'), default='faiss')
    parser.add_argument('--out', help='write this JSON')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    if options.engine == 'torch':
        kmeans.faiss = None
    size = SIZES[options.size]
    features, clusters = build('ours', size).features, size['clusters']
    banks = {ours: features.to(options.device), theirs: features}
    seconds, objectives = {}, {}
    for repeat in range(options.repeats):
        for run in (ours, theirs)[::-1 if repeat % 2 else 1]:
            start = time.perf_counter()
            labels = run(banks[run], clusters, options.iterations, repeat)
            seconds.setdefault(run, []).append(time.perf_counter() - start)
            objectives.setdefault(run, []).append(
                objective(features, labels, clusters))
    middle = {run: statistics.median(each) for run, each in seconds.items()}
    mean = {run: statistics.mean(each) for run, each in objectives.items()}
    print(f'{options.size}, {options.iterations} iterations, '
          f'{options.threads} threads, median of {options.repeats}: ours '
          f'({options.engine}) {middle[ours]:.1f} s, faiss '
          f'{middle[theirs]:.1f} s, ratio {middle[ours] / middle[theirs]:.3f};'
          f' objective ours / faiss {mean[ours] / mean[theirs]:.4f}')
    if options.out:
        Path(options.out).write_text(json.dumps(dict(
            size=options.size, device=options.device, engine=options.engine,
            seconds=dict(ours=middle[ours], faiss=middle[theirs]),
            objective_ratio=mean[ours] / mean[theirs]), indent=2) + '\n')


if __name__ == '__main__':
    main()

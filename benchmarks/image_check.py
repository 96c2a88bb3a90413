"""What it costs to check the images of a folder, for 10,000 of them.

    python benchmarks/image_check.py data/cifar10/train
"""
import argparse
import resource
import time

from interclr_plugin.datasets.image_files import check_images, find_images


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in (used, children))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder')
    parser.add_argument('--most', type=int, default=10_000)
    options = parser.parse_args()
    began, used = time.perf_counter(), processor_seconds()
    names = find_images(options.folder).names[:options.most]
    results = check_images(options.folder, names, quiet=True)
    scale = 10_000 / len(names)
    bad = sum(edge is None for edge, _ in results)
    print(f'{len(names):,} images, {bad} cannot be used. For 10,000: '
          f'{scale * (time.perf_counter() - began):.1f} s, '
          f'{scale * (processor_seconds() - used):.1f} s of processor time')


if __name__ == '__main__':
    main()

"""Processor time to tell one list of images from another, by their number.

    python benchmarks/fingerprint.py 100000 1281167
    python benchmarks/fingerprint.py 1281167 100000000 --folder

At a first start each image's path is read where mmengine keeps it; at a
resume the list as it lies in memory, unless that changed. Paths are as long
as ImageNet's. Before either the list is made: mmengine's of entries that are
there already here, ``ImageFolder``'s of a file of names. Name one number
alone to see the memory that it takes.
"""
import argparse
import resource
import tempfile
import time

from mmengine.dataset import BaseDataset

from interclr_plugin.datasets import ImageFolder
from interclr_plugin.datasets.fingerprint import fingerprint, list_print


class Listed(BaseDataset):
    """Names of images that need not be there."""

    def __init__(self, number: int, **kwargs: bool) -> None:
        self.number = number
        super().__init__(**kwargs)

    def load_data_list(self) -> list:
        return [
            dict(img_path=f'data/imagenet/train/{name(i)}', gt_label=i % 1000)
            for i in range(self.number)
        ]


def name(image: int) -> str:
    kind = image % 1000
    return f'n{kind:08d}/n{kind:08d}_{image}.JPEG'


def measure(dataset: BaseDataset, number: int) -> None:
    told, before = [], peak()
    for what in (BaseDataset.full_init, fingerprint, list_print):
        started = time.process_time()
        what(dataset)
        taken = time.process_time() - started
        told.append(f'{taken:.2f} s, {taken / number * 1e6:.3f} '
                    'microseconds an image')
    kept = dataset.data_bytes.nbytes + dataset.data_address.nbytes
    print(f'{number} images: list {told[0]}; first start {told[1]}; resume '
          f'{told[2]}; {kept / 1e6:.0f} MB stay, {peak() - before:.0f} MB at '
          'most', flush=True)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('images', type=int, nargs='+')
    parser.add_argument('--folder', action='store_true')
    options = parser.parse_args()
    for number in options.images:
        if not options.folder:
            measure(Listed(number, lazy_init=True), number)
            continue
        with tempfile.NamedTemporaryFile('w') as file:
            file.writelines(f'{name(i)}\n' for i in range(number))
            file.flush()
            measure(
                ImageFolder(
                    data_root='data/imagenet/train',
                    ann_file=file.name,
                    lazy_init=True), number)


if __name__ == '__main__':
    main()

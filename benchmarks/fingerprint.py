"""Processor time to tell one list of images from another, by their number.

    python benchmarks/fingerprint.py 100000 1281167

At a first start each image's path is read where mmengine keeps it; at a
resume the list as it lies in memory, unless that changed. Paths are as long
as ImageNet's. Before either mmengine makes the list, of entries that are
there already here: files have to be found as well.
"""
import argparse
import time

from mmengine.dataset import BaseDataset

from interclr_plugin.datasets.fingerprint import fingerprint, list_print


class Listed(BaseDataset):
    """Names of images that need not be there."""

    def __init__(self, number: int, **kwargs: bool) -> None:
        self.number = number
        super().__init__(**kwargs)

    def load_data_list(self) -> list:
        return [
            dict(
                img_path=f'data/imagenet/train/n{i % 1000:08d}/'
                f'n{i % 1000:08d}_{i}.JPEG',
                gt_label=i % 1000) for i in range(self.number)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('images', type=int, nargs='+')
    for number in parser.parse_args().images:
        dataset, told = Listed(number, lazy_init=True), []
        for what in (BaseDataset.full_init, fingerprint, list_print):
            started = time.process_time()
            what(dataset)
            taken = time.process_time() - started
            told.append(f'{taken:.2f} s, {taken / number * 1e6:.2f} '
                        'microseconds an image')
        print(f"{number} images: mmengine's list {told[0]}; first start "
              f'{told[1]}; resume {told[2]}', flush=True)


if __name__ == '__main__':
    main()

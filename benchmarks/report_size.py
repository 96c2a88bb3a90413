"""Size of the report and processor time to build it, by number of images.

    python benchmarks/report_size.py --images 2000 20000

The images are scikit-learn's digits, repeated: 32 x 32 pixels.
The network is tiny, so that the time is that of the report itself: what grows
with the images, pictures and drawing. kNN is not measured.
"""
import argparse
import os
import tempfile
import time

os.environ['OMP_NUM_THREADS'] = '1'

import torch  # noqa: E402
from digits import CONFIGS, METHODS  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DATASETS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

from interclr_plugin.datasets import Digits  # noqa: E402
from interclr_plugin.report import write_report  # noqa: E402


@DATASETS.register_module()
class RepeatedDigits(Digits):
    """Digits over and over again."""

    def __init__(self, *, number: int, **options) -> None:
        self.number = number
        super().__init__(**options)

    def load_data_list(self) -> list:
        entries = super().load_data_list()
        return [
            dict(entries[i % len(entries)], img_path=f'digit/{i}.png')
            for i in range(self.number)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--library', default='mmselfsup')
    parser.add_argument(
        '--images', type=int, nargs='+', default=[2000, 20000])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for number in options.images:
        with tempfile.TemporaryDirectory() as folder:
            train(options.library, number, folder)
            started = time.process_time(), time.monotonic()
            page = write_report(folder, knn=False)
            print(f'{number} images: {page.stat().st_size / 1e6:.1f} MB, '
                  f'{time.process_time() - started[0]:.0f} s of a processor, '
                  f'{time.monotonic() - started[1]:.0f} s')


def train(library: str, number: int, folder: str) -> None:
    """Train for an epoch of a few steps, with a cluster for 20 images."""
    config = Config.fromfile(CONFIGS / library /
                             METHODS['InterCLR'].format(library))
    config.work_dir = folder
    config.train_dataloader.dataset.update(
        type='RepeatedDigits', number=number)
    config.merge_from_dict({
        'train_cfg.max_epochs': 1,
        'train_dataloader.batch_size': 500,
        'model.queue_len': 1000,
        'model.backbone.base_channels': 4,
        'model.backbone.stem_channels': 4,
        'model.neck.in_channels': 32,
        'model.inter_image.num_clusters': number // 20,
        'default_hooks.checkpoint.interval': 1,
        'custom_hooks': [dict(type='MemoryBankHook')],
    })
    Runner.from_cfg(config).train()


if __name__ == '__main__':
    main()

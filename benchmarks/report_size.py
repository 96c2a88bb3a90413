"""Size of the report and processor time to build it, by number of images.

    python benchmarks/report_size.py --images 2000 20000
    python benchmarks/report_size.py --photographs data/imagenette64/train

The images are scikit-learn's digits, repeated: 32 x 32 pixels; or pictures of
224 x 224 pixels, each of 16 photographs of a folder side by side, which take
more bytes than one photograph of that size. The network is tiny and trained
for four steps, so that the time is that of the report itself: what grows with
the images, pictures and drawing. kNN is not measured.
"""
import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Optional

os.environ['OMP_NUM_THREADS'] = '1'

import torch  # noqa: E402
from digits import CONFIGS, METHODS  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DATASETS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from PIL import Image  # noqa: E402

from interclr_plugin.datasets import Digits, ImageFolder  # noqa: E402
from interclr_plugin.report import write_report  # noqa: E402


class Repeated:
    """A data set over and over again."""

    def __init__(self, *, number: int, **options) -> None:
        self.number = number
        super().__init__(**options)

    def load_data_list(self) -> list:
        entries = super().load_data_list()
        return [
            dict(entries[i % len(entries)]) for i in range(self.number)
        ]


@DATASETS.register_module()
class RepeatedDigits(Repeated, Digits):

    def load_data_list(self) -> list:
        return [
            dict(entry, img_path=f'digit/{i}.png')
            for i, entry in enumerate(super().load_data_list())
        ]


@DATASETS.register_module()
class RepeatedFolder(Repeated, ImageFolder):
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--library', default='mmselfsup')
    parser.add_argument('--photographs', type=Path)
    parser.add_argument(
        '--images', type=int, nargs='+', default=[2000, 20000])
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as files:
        if options.photographs:
            compose(options.photographs, Path(files))
        for number in options.images:
            with tempfile.TemporaryDirectory() as folder:
                train(options.library, number, folder,
                      files if options.photographs else None)
                started = time.process_time(), time.monotonic()
                page = write_report(folder, knn=False)
                print(f'{number} images: {page.stat().st_size / 1e6:.1f} MB, '
                      f'{time.process_time() - started[0]:.0f} s of a '
                      f'processor, {time.monotonic() - started[1]:.0f} s')


def compose(photographs: Path, files: Path, number: int = 1000) -> None:
    """Write pictures that are each made of 16 photographs."""
    paths = sorted(photographs.glob('*/*.jpg'))
    chance = random.Random(0)
    for i in range(number):
        picture = Image.new('RGB', (224, 224))
        for place, path in enumerate(chance.sample(paths, 16)):
            tile = Image.open(path).convert('RGB').resize((56, 56))
            picture.paste(tile, (place % 4 * 56, place // 4 * 56))
        picture.save(files / f'{i:05}.jpg', quality=90)


def train(library: str, number: int, folder: str,
          files: Optional[str]) -> None:
    """Train for four steps, with a cluster for 20 images."""
    config = Config.fromfile(CONFIGS / library /
                             METHODS['InterCLR'].format(library))
    config.work_dir = folder
    dataset = config.train_dataloader.dataset
    if files:
        views = dataset.pipeline[0]
        views.transforms[0][0].update(size=224)
        config.train_dataloader.dataset = dict(
            type='RepeatedFolder',
            number=number,
            data_root=files,
            pipeline=[dict(type='LoadImageFromFile'), *dataset.pipeline])
    else:
        dataset.update(type='RepeatedDigits', number=number)
    config.merge_from_dict({
        'train_dataloader.batch_size': 500,
        'model.queue_len': 1000,
        'model.backbone.base_channels': 4,
        'model.backbone.stem_channels': 4,
        'model.neck.in_channels': 32,
        'model.inter_image.num_clusters': number // 20,
        'default_hooks.checkpoint.interval': 4,
        'default_hooks.checkpoint.by_epoch': False,
        'custom_hooks': [dict(type='MemoryBankHook')],
    })
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4)
    config.param_scheduler = None
    Runner.from_cfg(config).train()


if __name__ == '__main__':
    main()

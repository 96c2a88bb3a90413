"""Which files a user's images are, and how the network sees them."""
import os
from pathlib import Path
from typing import List, Sequence

from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS
from torch.utils.data import Dataset

from ..datasets.centre_view import view_stages
from .training_set import view_transforms

# What a folder is searched for.
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif',
              '.tiff', '.webp')


class ImageFiles(Dataset):
    """Any image files, in the test-time view of a training.

    To be built in the configuration's scope.

    Args:
        config (Config): Of the pre-training; its images need not be there.
        files (Sequence[str]): n paths.

    Raises:
        ValueError: (When an item is asked for) It is no image that can be
            read.
    """

    def __init__(self, config: Config, files: Sequence[str]) -> None:
        dataset = config.train_dataloader.dataset
        while 'dataset' in dataset:  # RepeatDataset and its like
            dataset = dataset.dataset
        stages = Compose(dataset.pipeline).transforms
        stages = view_stages(stages, view_transforms(config))
        self.pipeline = Compose(stages)
        if not any(
                type(stage).__name__.startswith('Load')
                for stage in self.pipeline.transforms):
            # The training set holds arrays.
            load = TRANSFORMS.build(dict(type='LoadImageFromFile'))
            self.pipeline.transforms.insert(0, load)
        self.files = list(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict:
        # -1: not labelled, as mmselfsup's ImageList says it.
        entry = dict(
            img_path=self.files[index], sample_idx=index, gt_label=-1)
        try:
            item = self.pipeline(entry)
        except Exception as error:  # whatever the bytes of a file lead to
            raise ValueError(_unreadable(self.files[index], error)) from error
        if item is None:  # a transform gave it up
            raise ValueError(_unreadable(self.files[index], 'no image'))
        return item


def list_images(names: Sequence[str]) -> List[str]:
    """List the files that are meant.

    Args:
        names (Sequence[str]): Image files; folders, of which all images at
            any depth are taken, sorted; ``.txt`` files with a path in each
            line, from the current folder on.

    Returns:
        list[str]: Paths of files that are there.

    Raises:
        FileNotFoundError: One is not there.
        ValueError: A folder or a list holds no image.
    """
    files: List[str] = []
    for name in map(str, names):
        found = [name]
        if os.path.isdir(name):
            found = _images_below(name)
        elif name.endswith('.txt') and os.path.isfile(name):
            text = Path(name).read_text(
                encoding='utf-8', errors='surrogateescape')
            found = [line for line in text.splitlines() if line.strip()]
        if not found:
            raise ValueError(f'{name} holds no image. Images are found by '
                             f'their endings: {" ".join(EXTENSIONS)}.')
        files += found
    for path in files:
        if not os.path.isfile(path):
            raise FileNotFoundError(f'there is no image {path}.')
    return files


def _images_below(folder: str) -> List[str]:
    return sorted(
        os.path.join(place, name) for place, _, names in os.walk(folder)
        for name in names if name.lower().endswith(EXTENSIONS))


def _unreadable(path: str, reason: object) -> str:
    return (f'{path} cannot be read as an image ({reason!r}). Mend it or '
            'leave it out.')

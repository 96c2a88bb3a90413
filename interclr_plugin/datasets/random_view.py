"""A random view of each image as the training draws it, the same each time."""
import copy
import random
import warnings
from typing import Any, Sequence

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset

from .centre_view import split_pipeline
from .positions import image_parts, joined
from .strict_pipeline import Strict


class RandomView(Dataset):
    """Augmented views that can be drawn again.

    Two networks can be shown the very same views, and two draws are two views
    of the same images. The training's own pipeline makes them; where it makes
    several views, its first.

    Reading an item sets the global random states; read them by
    :func:`~interclr_plugin.datasets.extraction.extract`, which puts them back.

    Args:
        dataset (BaseDataset): Training set of either library, or one that
            repeats or joins such sets.
        index (Sequence[int]): (n,) positions of the images.
        draw (int): Which views, 0 or more: another number, other views.

    Raises:
        ValueError: No image order can be told from the dataset's class.
    """

    def __init__(self, dataset: Any, index: Sequence[int], draw: int) -> None:
        self._view = joined([_view(part) for part in image_parts(dataset)])
        self._index = index
        self._draw = draw

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, place: int) -> dict:
        position = int(self._index[place])
        seed = np.random.SeedSequence([self._draw, position])
        number = int(seed.generate_state(1)[0])
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        with warnings.catch_warnings():
            # The training's log has had what its transforms say.
            warnings.simplefilter('ignore')
            return self._view[position]


def _view(dataset: BaseDataset) -> BaseDataset:
    before, augmenting, after = split_pipeline(
        list(dataset.pipeline.transforms))
    view = copy.copy(dataset)
    # As for the centre view: loaded first, and an image that cannot be read
    # must not become another.
    view.full_init()
    view.test_mode = True
    view.pipeline = Strict(before + augmenting + [_first_view] + after)
    return view


def _first_view(results: dict) -> dict:
    image = results['img']
    results['img'] = image[:1] if isinstance(image, list) else [image]
    return results

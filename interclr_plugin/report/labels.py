"""True classes that a user names where the data set knows none."""
import csv
import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch.utils.data import Subset

from ..checkpoints import load_backbone
from ..evaluation import extract_features, knn_accuracy, linear_accuracy
from ..evaluation.benchmark import FrozenModel
from ..results.training_set import file_names, training_view

FOLDERS = 'folders'
# Enough for an error of 0.01, and no more where there are millions.
MEASURED = 10000
LEAST = 30


class Labels(NamedTuple):
    """Classes of N images."""
    numbers: np.ndarray  # (N,) int
    names: List[str]


def read_labels(source: str, files: Sequence[str]) -> Labels:
    """Find the class of each image.

    Args:
        source (str): ``'folders'``: the name of the folder that an image lies
            in is its class. Else a CSV file, a line ``file,class`` for each
            image; a file may be named by the end of its path.
        files (Sequence[str]): N paths.

    Returns:
        Labels: Of all N images.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An image has no class, or all have the same.
    """
    if source == FOLDERS:
        found = [Path(file).parent.name for file in files]
    else:
        named = _read_file(source)
        found = [_look_up(named, file) for file in files]
    lacking = [file for file, name in zip(files, found) if not name]
    if lacking:
        raise ValueError(
            f'--labels {source} gives no class for {len(lacking)} of '
            f'{len(files)} images, {lacking[0]} being the first. Name each '
            'by its path, or by the end of it.')
    names = sorted(set(found))
    if len(names) < 2:
        raise ValueError(f'--labels {source} gives all images the class '
                         f'{names[0]!r}: two classes are needed.')
    place = {name: number for number, name in enumerate(names)}
    return Labels(np.array([place[name] for name in found]), names)


def measure_with(source: str,
                 config: Config,
                 checkpoint: Optional[str],
                 seed: int,
                 loading: dict) -> Dict[str, float]:
    """Measure like ``evaluate``, with a part of the training images as test.

    Training has not seen these classes, so that images that it has seen can
    test its features.

    Args:
        source (str): As for :func:`read_labels`.
        config (Config): Of a pre-training, in either library.
        checkpoint (str, optional): None: the initial weights.
        seed (int): Of the initial weights.
        loading (dict): ``device`` and ``num_workers`` of each extraction.

    Returns:
        dict: ``knn`` and ``linear``, accuracies 0 to 1; ``num_test``: a third
        of the images, of at most 10,000 that are drawn at random.

    Raises:
        ValueError: A class is missing, there are too few images, or a feature
            is NaN.
    """
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        view = training_view(config)
        labels = read_labels(source, file_names(view)).numbers
        if len(labels) < LEAST:
            raise ValueError(f'{len(labels)} images are too few to measure '
                             f'by: {LEAST} are needed.')
        index = np.random.RandomState(0).permutation(len(view))[:MEASURED]
        model = FrozenModel(config, seed)
        if checkpoint is not None:
            load_backbone(model.backbone, checkpoint)
        features = extract_features(model, Subset(view, index), **loading)
    third = len(index) // 3
    labels = labels[index]
    samples = (features[third:], labels[third:], features[:third],
               labels[:third])
    return dict(
        knn=knn_accuracy(*samples, k=min(20, len(index) - third)),
        linear=linear_accuracy(*samples),
        num_test=third)


def _read_file(source: str) -> Dict[str, str]:
    with open(source, encoding='utf-8', errors='surrogateescape',
              newline='') as file:
        rows = [row for row in csv.reader(file) if len(row) > 1]
    return {os.path.normpath(row[0]): row[1].strip() for row in rows}


def _look_up(named: Dict[str, str], file: str) -> str:
    parts = Path(os.path.normpath(file)).parts
    for start in range(len(parts)):
        name = named.get(os.path.join(*parts[start:]))
        if name:
            return name
    return ''

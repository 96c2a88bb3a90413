"""The test-time view of a training set: resize and centre crop, unaugmented.

A pre-training pipeline reads ``[load..., MultiView, pack...]``, or ``[load...,
augment..., pack]`` where it has one view as NPID's, its test-time view
``[load..., resize + centre crop, pack...]`` with the very same loading and
packing transforms.
"""
import copy
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

import mmcv
import numpy as np
import torch
from mmengine.dataset import BaseDataset, ConcatDataset

from .positions import image_parts, joined
from .strict_pipeline import Strict

MULTI_VIEW = 'MultiView'
# Where a crop transform keeps its output size. In this order, because
# `scale` is the share of the area in mmselfsup and torchvision, and the
# output size in mmpretrain, whose crops have none of the other two.
SIZE_ATTRIBUTES = ('crop_size', 'size', 'scale')
# 256 pixels for a crop of 224, the usual test-time resize.
RESIZE_RATIO = 8 / 7
# Times the shorter edge, of an image that is resized.
_LONGEST = 8
PASS_TRANSFORMS = (
    'Pass what comes ahead of the packing transform: transforms=['
    "dict(type='LoadImageFromFile'), dict(type='Resize', scale=(224, 224))].")


def centre_view(
        dataset: Any,
        transforms: Optional[Sequence[Union[dict, Callable]]] = None
) -> Union[BaseDataset, ConcatDataset]:
    """Copy of a training set that gives one unaugmented view per image.

    The copy shares the images' annotations with the original, which stays as
    it is. Its entries are the images, each once and in the order of
    ``sample_idx``, also where the training set repeats images. Loading and
    packing are those of the training pipeline; packed ``inputs`` are a list
    of one view, as either library's preprocessor expects.

    Args:
        dataset (BaseDataset): Training set of either library, or a
            ``ConcatDataset``, ``RepeatDataset`` or ``ClassBalancedDataset``
            around such sets.
        transforms (Sequence[dict | Callable], optional): What stands in for
            everything ahead of the packing transform, loading included;
            configurations are built in the scope in use. None: the
            transforms ahead of ``MultiView`` (without it, those that load),
            then a centre crop of the augmented views' size S. An image whose
            shorter edge is S is not resized; any other first gets a shorter
            edge of 8/7 S pixels.

    Returns:
        BaseDataset | ConcatDataset: The view, of one entry per image.

    Raises:
        ValueError: No image order can be told from the dataset's class, or
            no crop size from its pipeline.

    Source: docs/method.md 3.1.
    """
    return joined([_view(part, transforms) for part in image_parts(dataset)])


def _view(dataset: BaseDataset,
          transforms: Optional[Sequence[Union[dict, Callable]]]
          ) -> BaseDataset:
    stages = view_stages(dataset.pipeline.transforms, transforms)
    copied = copy.copy(dataset)
    # Loaded before test_mode is set, since for some datasets that also
    # chooses the split (mmcls' CIFAR10).
    copied.full_init()
    # An unreadable image must raise: replaced by a random other one, as in
    # training, it would put a wrong feature into its row.
    copied.test_mode = True
    copied.pipeline = Strict(stages)
    return copied


def view_stages(
        stages: Sequence[Callable],
        transforms: Optional[Sequence[Union[dict, Callable]]] = None
) -> List[Union[dict, Callable]]:
    """Give the stages of the view; arguments as for `centre_view`."""
    if transforms is None:
        before, _, after = split_pipeline(list(stages))
        view = before + [ResizeCentreCrop(view_size(stages))]
    else:
        view, after = list(transforms), list(stages[-1:])
    return view + [_as_only_view] + after


def to_model_inputs(model: torch.nn.Module, batch: dict) -> torch.Tensor:
    """Images of a collated batch as the model's backbone takes them.

    Args:
        model (nn.Module): Has a ``data_preprocessor``.
        batch (dict): Collated items of a `centre_view`.

    Returns:
        Tensor: (B, 3, H, W) float, normalised, on the preprocessor's device.

    Raises:
        ValueError: The batch holds several views of each image.
    """
    data = model.data_preprocessor(batch, False)
    # A dict in mmpretrain, a tuple in mmselfsup.
    inputs = data['inputs'] if isinstance(data, dict) else data[0]
    if isinstance(inputs, torch.Tensor):
        return inputs
    if len(inputs) != 1:
        raise ValueError(
            f'the batch has {len(inputs)} views of each image and exactly 1 '
            'is allowed. Wrap the dataset: centre_view(dataset).')
    return inputs[0]


class ResizeCentreCrop:
    """Resize the shorter edge where needed, then crop the centre square.

    Args:
        size (int): Edge of the square, in pixels, at least 1.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, results: dict) -> dict:
        """Crop ``img``.

        Args:
            results (dict): ``img``, (H, W) or (H, W, 3).

        Returns:
            dict: The same, with ``img`` and ``img_shape`` replaced.

        Raises:
            ValueError: ``img`` is not an array.
        """
        image = results['img']
        if not isinstance(image, np.ndarray):
            raise ValueError(
                f'the image is a {type(image).__name__} and only numpy arrays '
                f'are allowed where the pipeline reaches {MULTI_VIEW}. '
                f'{PASS_TRANSFORMS}')
        height, width = image.shape[:2]
        shorter = min(height, width)
        # Of a strip only the middle: its other pixels are cropped anyway, and
        # enlarged they could fill the memory.
        for axis, edge in enumerate((height, width)):
            if edge > _LONGEST * shorter:
                start = (edge - _LONGEST * shorter) // 2
                image = image.take(
                    range(start, start + _LONGEST * shorter), axis)
        height, width = image.shape[:2]
        if shorter != self.size:
            ratio = round(self.size * RESIZE_RATIO) / shorter
            height, width = round(height * ratio), round(width * ratio)
            image = mmcv.imresize(image, (width, height))
        top = round((height - self.size) / 2)
        left = round((width - self.size) / 2)
        image = image[top:top + self.size, left:left + self.size]
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        return results


def _as_only_view(results: dict) -> dict:
    if not isinstance(results['img'], list):
        results['img'] = [results['img']]
    return results


def view_size(stages: Sequence) -> int:
    """Tell the size of the view from the transforms of a training.

    Args:
        stages (Sequence): Transforms of a pre-training pipeline.

    Returns:
        int: Edge of the centre crop, in pixels.

    Raises:
        ValueError: No square crop is among the augmentations.
    """
    _, augmenting, _ = split_pipeline(list(stages))
    return _crop_size(augmenting)


def split_pipeline(stages: List) -> Tuple[List, List, List]:
    names = [type(stage).__name__ for stage in stages]
    if MULTI_VIEW in names:
        first = names.index(MULTI_VIEW)
        last = first + 1
    else:
        loading = (i for i, name in enumerate(names) if name[:4] != 'Load')
        first, last = next(loading, 0), len(stages) - 1
    return stages[:first], stages[first:last], stages[last:]


def _crop_size(stages: List) -> int:
    for crop in (leaf for stage in stages for leaf in _leaves(stage)):
        if 'Crop' not in type(crop).__name__:
            continue
        for name in SIZE_ATTRIBUTES:
            size = getattr(crop, name, None)
            if size is None:
                continue
            sizes = {size} if np.isscalar(size) else set(size)
            if len(sizes) == 1 and float(max(sizes)).is_integer():
                return int(max(sizes))
            raise ValueError(
                f'{type(crop).__name__}.{name}={size} is not the size of a '
                f'square crop, in pixels. {PASS_TRANSFORMS}')
    raise ValueError(
        'no crop transform (a class with Crop in its name) is among the '
        f'augmentations {[type(stage).__name__ for stage in stages]}. '
        f'{PASS_TRANSFORMS}')


def _leaves(stage: Any):
    # mmpretrain wraps torchvision's transforms, the wrapped one is `t`.
    inner = getattr(stage, 't', None)
    inner = getattr(stage, 'transforms', None) if inner is None else [inner]
    if inner is None:
        yield stage
        return
    # Compose and RandomApply hold lists, some wrappers one Compose.
    for child in inner if isinstance(inner, (list, tuple)) else [inner]:
        yield from _leaves(child)

"""Which images a training set has, each once, and in which order."""
from typing import Any, List, Union

from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    Compose,
    ConcatDataset,
    RepeatDataset,
)


def image_parts(dataset: Any) -> List[BaseDataset]:
    """List the data sets that hold the images themselves.

    Args:
        dataset (BaseDataset): A training set of either library, or one that
            repeats or joins others.

    Returns:
        list[BaseDataset]: One after the other. An image's position is its
        own set's ``sample_idx`` plus the lengths of the sets before.

    Raises:
        ValueError: No image order can be told from the class.
    """
    while isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        dataset = dataset.dataset
    if isinstance(dataset, ConcatDataset):
        return [part for each in dataset.datasets
                for part in image_parts(each)]
    # A KFold or Subset has some images of its inner data set only.
    if not isinstance(getattr(dataset, 'pipeline', None), Compose):
        raise ValueError(
            f'{type(dataset).__name__} has no position per image of its own: '
            'allowed are data sets derived from BaseDataset, and '
            'ConcatDataset, RepeatDataset and ClassBalancedDataset around '
            'them. Change train_dataloader.dataset.')
    return [dataset]


def innermost_dataset(dataset: Any) -> Union[BaseDataset, ConcatDataset]:
    """Give a training set without what repeats it.

    Args:
        dataset (BaseDataset): As of :func:`image_parts`.

    Returns:
        BaseDataset | ConcatDataset: Its items are the images, each once and
        in the order of their positions.
    """
    return joined(image_parts(dataset))


def joined(parts: List[BaseDataset]) -> Union[BaseDataset, ConcatDataset]:
    """Put data sets one after the other.

    Args:
        parts (list[BaseDataset]): At least one.

    Returns:
        BaseDataset | ConcatDataset: The only one, or all.
    """
    if len(parts) == 1:
        return parts[0]
    # What the sets say of themselves may differ: the images count here.
    said = sorted({key for part in parts for key in part.metainfo})
    return ConcatDataset(parts, ignore_keys=said)

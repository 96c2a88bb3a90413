"""The sample index in what a training pipeline packs."""
from logging import Logger
from typing import Any

from mmengine.dataset import BaseDataset

from .image_pipeline import ImagePipeline
from .positions import image_parts

# The packing transforms of mmselfsup and mmpretrain.
_PACKERS = ('PackSelfSupInputs', 'PackInputs')


def turn_on_sample_index(dataset: Any, logger: Logger) -> None:
    """Have the packing transforms keep ``sample_idx``, where they drop it.

    Where data sets are joined it is counted over all of them. To be called
    before the loader starts its workers.

    Args:
        dataset (BaseDataset): A training set of either library.
        logger (Logger): Told when something was changed.

    Raises:
        ValueError: If no packing transform is found.
    """
    first = 0
    for part in image_parts(dataset):
        _keep_sample_index(part, logger)
        part.pipeline = ImagePipeline(
            part.pipeline.transforms,
            first=first,
            skip_bad=getattr(part.pipeline, 'skip_bad', False))
        first += len(part)


def _keep_sample_index(part: BaseDataset, logger: Logger) -> None:
    transforms = part.pipeline.transforms
    packers = [t for t in transforms if type(t).__name__ in _PACKERS]
    if not packers:
        raise ValueError(
            'The training pipeline has none of the packing transforms '
            f'{", ".join(_PACKERS)}, only '
            f'{[type(t).__name__ for t in transforms]}. Add '
            "dict(type='PackSelfSupInputs', algorithm_keys=['sample_idx']) "
            "in mmselfsup, dict(type='PackInputs') in mmpretrain.")
    for packer in packers:
        kept = (*packer.algorithm_keys, *packer.meta_keys)
        # In mmselfsup only algorithm_keys reaches the sample.
        if 'sample_idx' not in (kept if type(packer).__name__ == 'PackInputs'
                                else packer.algorithm_keys):
            packer.algorithm_keys = [*packer.algorithm_keys, 'sample_idx']
            logger.info(f'{type(packer).__name__} now keeps sample_idx, which '
                        'InterCLR needs.')

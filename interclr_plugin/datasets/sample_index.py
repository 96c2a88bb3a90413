"""The sample index in what a training pipeline packs."""
from logging import Logger
from typing import Any

from .centre_view import innermost_dataset

# The packing transforms of mmselfsup and mmpretrain.
_PACKERS = ('PackSelfSupInputs', 'PackInputs')


def turn_on_sample_index(dataset: Any, logger: Logger) -> None:
    """Have the packing transform keep ``sample_idx``, where it drops it.

    To be called before the loader starts its workers.

    Args:
        dataset (BaseDataset): A training set of either library.
        logger (Logger): Told when something was changed.

    Raises:
        ValueError: If no packing transform is found.
    """
    transforms = innermost_dataset(dataset).pipeline.transforms
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

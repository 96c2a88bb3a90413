"""The dataset position of each image: the one place that knows libraries."""
from typing import Sequence

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


def image_index(data_samples: Sequence[BaseDataElement],
                device: torch.device) -> Tensor:
    """Read the images' positions in the training set.

    Args:
        data_samples (Sequence[BaseDataElement]): B samples. ``sample_idx``
            is an int in mmpretrain and an InstanceData in mmselfsup.
        device (torch.device): Where to put the result.

    Returns:
        Tensor: (B,) integers.

    Raises:
        ValueError: If a sample has no index.
    """
    positions = [_read(sample) for sample in data_samples or [None]]
    if isinstance(positions[0], Tensor):
        return torch.cat([p.reshape(1) for p in positions]).to(device).long()
    return torch.tensor(positions, device=device)


def _read(sample: BaseDataElement):
    position = getattr(sample, 'sample_idx', None)
    position = getattr(position, 'value', position)
    if position is None:
        raise ValueError(
            'A training sample has no sample_idx, its position in the data '
            "set. Add custom_hooks = [dict(type='MemoryBankHook')], which "
            'turns it on, or the line itself: dict(type="PackSelfSupInputs", '
            'algorithm_keys=["sample_idx"]) in mmselfsup, dict('
            'type="PackInputs", algorithm_keys=["sample_idx"]) in mmpretrain.')
    return position

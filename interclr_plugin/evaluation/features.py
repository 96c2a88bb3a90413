"""Pooled backbone features of a dataset."""
from typing import Any, Optional

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets import to_model_inputs
from ..datasets.extraction import extract


def extract_features(model: nn.Module,
                     dataset: Any,
                     *,
                     batch_size: int = 256,
                     num_workers: int = 0,
                     device: Optional[str] = None) -> np.ndarray:
    """Backbone features of each image, averaged over positions.

    Batch norm uses its running statistics; every module's train or eval mode,
    the device and the random state of the caller are as before afterwards.

    Args:
        model (nn.Module): Has ``backbone`` and ``data_preprocessor``.
        dataset (Dataset): n images, one view each, see ``centre_view``.
        batch_size (int): Images at a time, at least 1.
        num_workers (int): Loader processes, 0 for none.
        device (str, optional): Where to compute. None: where the model is.

    Returns:
        ndarray: (n, D) float32, in the dataset's order.

    Raises:
        ValueError: A feature is NaN or infinite.

    Source: docs/method.md 9.1.
    """
    # mmpretrain's transformers without a class token have None there.
    leads_with_token = getattr(model.backbone, 'cls_token', None) is not None

    def forward(batch: dict) -> Tensor:
        outputs = model.backbone(to_model_inputs(model, batch))
        return pool_features(outputs, leads_with_token)

    home = next(model.parameters()).device
    try:
        features = extract(
            dataset,
            model if device is None else model.to(device),
            forward,
            batch_size=batch_size,
            num_workers=num_workers).cpu()  # (n, D)
    finally:
        if device is not None:
            model.to(home)
    require_finite(features)
    return features.numpy()


def require_finite(features: Tensor) -> None:
    """Refuse features that cannot be compared.

    Args:
        features (Tensor): (n, D).

    Raises:
        ValueError: One is NaN or infinite.
    """
    bad = int((~torch.isfinite(features)).any(dim=1).sum())
    if bad:
        raise ValueError(
            f'{bad} of {len(features)} images have a NaN or infinite feature; '
            'only finite features can be compared. The training diverged: '
            'choose an earlier checkpoint or lower optim_wrapper.optimizer.lr')


def pool_features(outputs: Any, leads_with_token: bool = False) -> Tensor:
    """One vector per image from whatever a backbone returns.

    Args:
        outputs (Tensor | tuple | list): Of several stages the last counts,
            and of a (patches, class token) pair the token. A map (B, D, H, W)
            is averaged, a sequence (B, L, D) gives its class token or its
            average, a vector (B, D) stays.
        leads_with_token (bool): A sequence starts with a class token.

    Returns:
        Tensor: (B, D).

    Raises:
        ValueError: The output has 1 or more than 4 dimensions.
    """
    while isinstance(outputs, (tuple, list)):
        outputs = outputs[-1]
    if outputs.dim() == 4:
        return outputs.mean(dim=(2, 3))
    if outputs.dim() == 3:
        return outputs[:, 0] if leads_with_token else outputs.mean(dim=1)
    if outputs.dim() == 2:
        return outputs
    raise ValueError(
        f'the backbone returns a tensor of shape {tuple(outputs.shape)}: '
        'allowed are (B, D, H, W), (B, L, D) and (B, D). Change '
        'model.backbone, for instance its out_indices or out_type.')

"""The images that a training saw: their order, names and test-time view."""
import copy
from typing import List, Optional, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..datasets.centre_view import centre_view
from ..datasets.fingerprint import fingerprint


def training_view(config: Config,
                  recorded: Optional[str] = None) -> BaseDataset:
    """Build the training set of a configuration, in its test-time view.

    To be called in the configuration's scope.

    Args:
        config (Config): Of a pre-training, in either library.
        recorded (str, optional): The checkpoint's fingerprint of its images.
            None: not checked.

    Returns:
        BaseDataset: N images, in the order of the bank's rows.

    Raises:
        ValueError: The images, or their order, are others than those of the
            checkpoint.
    """
    dataset = DATASETS.build(copy.deepcopy(config.train_dataloader.dataset))
    view = centre_view(dataset, view_transforms(config))
    if recorded not in (None, fingerprint(dataset)):
        raise ValueError(
            'the images of train_dataloader.dataset, or their order, are '
            'others than those of the checkpoint. Run this where the data set '
            'of the training is.')
    return view


def view_transforms(config: Config) -> Optional[Sequence[dict]]:
    """Find what the training's own test-time view was made by.

    Args:
        config (Config): Of a pre-training.

    Returns:
        Sequence[dict], optional: As for ``centre_view``.
    """
    for hook in config.get('custom_hooks') or []:
        if hook.get('type') == 'MemoryBankHook':
            return hook.get('transforms')
    return None


def file_names(view: BaseDataset) -> List[str]:
    """Name the images.

    Args:
        view (BaseDataset): N images.

    Returns:
        list[str]: N paths; where a data set holds no files, positions.
    """
    return [
        str(view.get_data_info(index).get('img_path', index))
        for index in range(len(view))
    ]


def reads_bgr(config: Config) -> bool:
    """Tell whether images come as OpenCV reads them, blue first.

    Args:
        config (Config): Of a pre-training.

    Returns:
        bool: As the preprocessor of either library says.
    """
    # mmpretrain's configurations have it at the top.
    preprocessor = config.model.get('data_preprocessor',
                                    config.get('data_preprocessor')) or {}
    return bool(preprocessor.get('bgr_to_rgb') or preprocessor.get('to_rgb'))


def pixels(item: dict, is_bgr: bool) -> np.ndarray:
    """Show an image as the frozen network sees it.

    Args:
        item (dict): What a test-time view gives.
        is_bgr (bool): Blue comes first.

    Returns:
        ndarray: (H, W, 3) uint8, RGB.
    """
    image = item['inputs'][0]  # (3, H, W)
    if image.dtype != torch.uint8:  # normalised by a transform
        low, high = image.min(), image.max()
        image = (image - low) / (high - low).clamp(min=1e-6) * 255
    if is_bgr:
        image = image.flip(0)
    image = image.to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(image.expand(-1, -1, 3).numpy())

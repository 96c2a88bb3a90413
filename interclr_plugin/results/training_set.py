"""The images that a training saw: their order, names and test-time view."""
import copy
from typing import List, Optional, Sequence

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
    if recorded is not None and recorded != fingerprint(dataset):
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

"""Score of a checkpoint on the dataset of its own configuration."""
import copy
from contextlib import contextmanager
from typing import Any, Callable, Dict, Optional, Sequence, Union

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS, DefaultScope
from torch import nn

from ..checkpoints import load_backbone
from ..datasets import centre_view
from ..upstream.tools import read_config
from .features import extract_features
from .probes import knn_accuracy, linear_accuracy


def evaluate(config: Union[str, Config],
             checkpoint: Optional[str] = None,
             *,
             test_options: Optional[dict] = None,
             transforms: Optional[Sequence[Union[dict, Callable]]] = None,
             seed: int = 0,
             k: int = 20,
             temperature: float = 0.07,
             batch_size: int = 256,
             num_workers: int = 0,
             device: Optional[str] = None) -> Dict[str, float]:
    """kNN and linear top-1 accuracy of a backbone that stays as it is.

    The training set is the configuration's ``train_dataloader.dataset``, in
    its test-time view. The test set is the same with the changes listed in
    the configuration: ``evaluation = dict(test=dict(split='test'))``.

    Args:
        config (str | Config): Of a pre-training, in either library; its
            ``default_scope`` is used whatever the scope of the caller.
        checkpoint (str, optional): File or URL with the backbone's weights.
            None: initial weights.
        test_options (dict, optional): Changes that make the test set out of
            the training set, in place of those in the configuration; keys
            may be dotted, as ``{'data_prefix.img_path': 'val/'}``.
        transforms (Sequence[dict | Callable], optional): The test-time view,
            see :func:`~interclr_plugin.datasets.centre_view`.
        seed (int): Of the initial weights. Ignored with a checkpoint.
        k (int): Neighbours of the kNN vote.
        temperature (float): Of the kNN vote, above 0.
        batch_size (int): Images at a time, at least 1.
        num_workers (int): Loader processes, 0 for none.
        device (str, optional): Where to compute. None: GPU if there is one.

    Returns:
        dict: ``knn`` and ``linear``, accuracies 0 to 1; ``num_train`` and
        ``num_test``, images.

    Raises:
        ValueError: No test set is given, labels are missing, a feature is
            NaN, or the checkpoint does not fit the configuration.

    Source: docs/method.md 9.1.
    """
    if not isinstance(config, Config):
        config = read_config(config)
    require_pretraining(config)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    train = config.train_dataloader.dataset
    test = test_set(config, test_options)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        model = FrozenModel(config, seed)
        if checkpoint is not None:
            load_backbone(model.backbone, checkpoint)
        samples = []
        for part in (train, test):
            view = centre_view(DATASETS.build(copy.deepcopy(part)), transforms)
            labels = true_labels(view)  # ahead of the slow part
            features = extract_features(
                model,
                view,
                batch_size=batch_size,
                num_workers=num_workers,
                device=device)
            samples += [features, labels]
    return dict(
        knn=knn_accuracy(*samples, k=k, temperature=temperature),
        linear=linear_accuracy(*samples),
        num_train=len(samples[1]),
        num_test=len(samples[3]))


def require_pretraining(config: Config) -> None:
    """Refuse a configuration without a model or a training set.

    Args:
        config (Config): Any.

    Raises:
        ValueError: It lacks one of them.
    """
    lacks = [part for part in ('model', 'train_dataloader')
             if part not in config]
    if lacks:
        raise ValueError(f'the configuration has no {" and no ".join(lacks)}. '
                         'Name that of a pre-training.')


class FrozenModel(nn.Module):
    """Backbone and preprocessor of a configuration, under their stock names.

    The rest of the algorithm (queue, momentum encoder, bank) is not needed,
    and building it would need the sizes of a training set.
    """

    def __init__(self, config: Config, seed: int) -> None:
        super().__init__()
        # mmpretrain's configurations have it at the top, and the Runner puts
        # it into a model that has none.
        preprocessor = config.model.get(
            'data_preprocessor', config.get('data_preprocessor')) or {}
        preprocessor = copy.deepcopy(preprocessor)
        preprocessor.setdefault('type', 'SelfSupDataPreprocessor')
        self.data_preprocessor = MODELS.build(preprocessor)
        with torch.random.fork_rng(devices=[]), _quiet():
            torch.manual_seed(seed)
            self.backbone = MODELS.build(copy.deepcopy(config.model.backbone))
            if hasattr(self.backbone, 'init_weights'):
                self.backbone.init_weights()


@contextmanager
def _quiet():
    # mmengine reports how every single weight was initialised.
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    try:
        yield
    finally:
        logger.setLevel(level)


def test_set(config: Config, options: Optional[dict] = None) -> ConfigDict:
    """Configuration of the test set: the training set's with changes.

    Args:
        config (Config): Of a pre-training.
        options (dict, optional): The changes. None: ``evaluation.test`` of
            the configuration.

    Returns:
        ConfigDict: For ``DATASETS.build``.

    Raises:
        ValueError: There are no changes.
    """
    options = options or config.get('evaluation', {}).get('test')
    if not options:
        raise ValueError(
            'no test set is given. Add to the configuration what makes it out '
            "of the training set: evaluation = dict(test=dict(split='test')); "
            'or give --test-options split=test.')
    inner = innermost_config(config.train_dataloader.dataset)
    # Config merges dotted keys and nested dicts as --cfg-options does.
    merged = Config(copy.deepcopy(inner.to_dict()))
    merged.merge_from_dict(options)
    return ConfigDict(merged.to_dict())


def innermost_config(dataset: ConfigDict) -> ConfigDict:
    """Look through RepeatDataset and its like.

    Args:
        dataset (ConfigDict): Of a training set.

    Returns:
        ConfigDict: Of the data set that has the images.
    """
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def true_labels(view: Any) -> np.ndarray:
    """True classes of a data set's images, for measuring alone.

    Args:
        view (BaseDataset): n images.

    Returns:
        ndarray: (n,) integers, 0 or more.

    Raises:
        ValueError: An image has none, or several.
    """
    labels = [
        view.get_data_info(index).get('gt_label') for index in range(len(view))
    ]
    for index, label in enumerate(labels):
        # mmselfsup's ImageList marks an image without a label by -1.
        if np.ndim(label) or label is None or label < 0:
            raise ValueError(
                f'image {index} of {type(view).__name__} has gt_label={label} '
                'and one class number, 0 or more, is needed for each image. '
                'Use a dataset with labels in train_dataloader.dataset.')
    return np.asarray(labels)

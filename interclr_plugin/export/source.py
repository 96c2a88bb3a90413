"""What is exported: the backbone of a training, and how it sees an image."""
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ..checkpoints import load_backbone
from ..datasets.centre_view import RESIZE_RATIO, view_size
from ..evaluation.benchmark import FrozenModel, innermost_config
from ..evaluation.features import pool_features
from ..results.source import find_source

# The layer that sees the colours, in a ResNet and in a vision transformer.
_FIRST = 'conv1.weight', 'patch_embed.projection.weight'


class Preprocessing(NamedTuple):
    """How an image becomes the input of an exported model."""
    size: int  # edge of the centre crop, in pixels
    resize: int  # shorter edge ahead of the crop, in pixels
    mean: Tuple[float, ...]  # of R, G, B, for pixels of 0 to 1
    std: Tuple[float, ...]


class Source(nn.Module):
    """A trained backbone as one function of images, whatever its library.

    Args:
        backbone (nn.Module): With its weights.
        preprocessing (Preprocessing): Of the images that it is given.
        bgr (bool): It was trained on blue, green, red. What is exported takes
            red, green, blue in either case.
    """

    def __init__(self, backbone: nn.Module, preprocessing: Preprocessing,
                 bgr: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.preprocessing = preprocessing
        self.bgr = bgr
        # mmpretrain's transformers without a class token have None there.
        self.leads_with_token = getattr(backbone, 'cls_token',
                                        None) is not None

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images (Tensor): (B, 3, H, W), normalised, red first.

        Returns:
            Tensor: (B, D).
        """
        if self.bgr:
            images = images.flip(1)
        return pool_features(self.backbone(images), self.leads_with_token)

    def weights(self) -> Dict[str, Tensor]:
        """Give the backbone's weights, as for images with red first.

        Returns:
            dict[str, Tensor]: By their names in the backbone.
        """
        weights = dict(self.backbone.state_dict())
        if self.bgr:
            weights.update((name, weights[name].flip(1))  # (C, 3, K, K)
                           for name in _FIRST if name in weights)
        return weights


def load_source(source: str, config: Optional[str] = None) -> Source:
    """Read a backbone with its weights.

    Args:
        source (str): Work directory of a training, whose last checkpoint is
            taken, or a file: a checkpoint, or what ``publish`` wrote, with
            ``--backbone`` or without.
        config (str, optional): Configuration of the training. None: the one
            in the work directory, or in the folder of the file.

    Returns:
        Source: In eval mode, on the CPU.

    Raises:
        FileNotFoundError: There is no such file, or no configuration.
        ValueError: The weights are not those of the configuration's
            backbone, or it does not say how images are prepared.
    """
    path, settings, _ = find_source(source, config)
    dataset = innermost_config(settings.train_dataloader.dataset)
    if 'datasets' in dataset:  # of a ConcatDataset, which give equal views
        dataset = innermost_config(dataset.datasets[0])
    with DefaultScope.overwrite_default_scope(settings.get('default_scope')):
        model = FrozenModel(settings, seed=0)
        load_backbone(model.backbone, str(path))
        pipeline = Compose(dataset.pipeline)
    preprocessing, bgr = _preprocessing(model.data_preprocessor,
                                        pipeline.transforms)
    return Source(model.backbone, preprocessing, bgr).eval()


def _preprocessing(preprocessor: nn.Module,
                   stages: Sequence) -> Tuple[Preprocessing, bool]:
    mean, std = torch.zeros(3), torch.ones(3)
    if preprocessor._enable_normalize:
        mean, std = (getattr(preprocessor, name).flatten().expand(3).cpu()
                     for name in ('mean', 'std'))
    # mmcv reads files as blue, green, red. A data set that holds its images
    # itself, as CIFAR10 and Digits, has them as they are shown.
    from_files = any(type(stage).__name__[:4] == 'Load' for stage in stages)
    bgr = from_files != preprocessor._channel_conversion
    if bgr:
        mean, std = mean.flip(0), std.flip(0)
    mean, std = (tuple(round(value / 255, 6) for value in values.tolist())
                 for values in (mean, std))
    size = view_size(stages)
    return Preprocessing(size, round(size * RESIZE_RATIO), mean, std), bgr

"""A published backbone as the image encoder of mmpretrain's retrieval."""
from typing import Any, Dict, List

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from .features import pool_features

_PREFIX = 'backbone.'


@MODELS.register_module()
class PublishedEncoder(BaseModule):
    """Backbone and pooling that load ``backbone.*`` wherever they stand.

    mmpretrain's inferencers load a file by the names of the whole model, in
    which an image encoder's would be ``image_encoder.backbone.*``.

    Args:
        backbone (dict): ``model.backbone`` of the pre-training.
    """

    def __init__(self, *, backbone: dict) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self._register_load_state_dict_pre_hook(self._find_published)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute features.

        Args:
            inputs (Tensor): (B, 3, H, W).

        Returns:
            Tensor: (B, D).
        """
        leads_with_token = getattr(self.backbone, 'cls_token',
                                   None) is not None
        return pool_features(self.backbone(inputs), leads_with_token)

    def _find_published(self, state: Dict[str, Tensor], prefix: str,
                        metadata: Any, strict: bool, missing: List[str],
                        unexpected: List[str], errors: List[str]) -> None:
        for name in [name for name in state if name.startswith(_PREFIX)]:
            state[prefix + name] = state[name]
        unexpected[:] = [
            name for name in unexpected if not name.startswith(_PREFIX)
        ]

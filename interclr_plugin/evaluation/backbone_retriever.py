"""A pre-trained backbone as mmpretrain's inferencers take a model."""
from typing import Any, Dict

from mmengine.registry import MODELS
from mmpretrain.models import ImageToImageRetriever
from torch import Tensor

from .features import pool_features

_PUBLISHED, _HERE = 'backbone.', 'image_encoder.'


@MODELS.register_module()
class BackboneRetriever(ImageToImageRetriever):
    """Finds similar images by pooled features, without a training of its own.

    mmpretrain's ``FeatureExtractor`` and ``ImageRetrievalInferencer`` load a
    file by the names of the whole model, and a retriever's are
    ``image_encoder.*``. This one loads ``backbone.*`` of a published file.

    Args:
        backbone (dict): ``model.backbone`` of the pre-training.
        prototype (Any): The images to search in; the inferencer names them
            later.
        **stock: Of the stock retriever, such as ``data_preprocessor``.

    Source: mmpretrain ``models.retrievers.ImageToImageRetriever``.
    """

    def __init__(self,
                 *,
                 backbone: dict,
                 prototype: Any = '',
                 **stock: Any) -> None:
        super().__init__(image_encoder=backbone, prototype=prototype, **stock)
        self._register_load_state_dict_pre_hook(self._rename)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Compute features.

        Args:
            inputs (Tensor): (B, 3, H, W).

        Returns:
            Tensor: (B, D).
        """
        # mmpretrain's transformers without a class token have None there.
        token = getattr(self.image_encoder, 'cls_token', None) is not None
        return pool_features(self.image_encoder(inputs), token)

    @staticmethod
    def _rename(state: Dict[str, Tensor], *_: Any) -> None:
        for name in list(state):
            if name.startswith(_PUBLISHED):
                state[_HERE + name[len(_PUBLISHED):]] = state.pop(name)

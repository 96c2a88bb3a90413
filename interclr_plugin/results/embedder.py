"""The parts of a trained model that give an image's feature and projection."""
import copy
from typing import Dict

import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..algorithms.projections import find_reader, projection
from ..checkpoints.branch_names import NECK
from ..checkpoints.reading import fill_backbone
from ..datasets import to_model_inputs
from ..evaluation.benchmark import FrozenModel
from ..evaluation.features import pool_features


class Embedder(FrozenModel):
    """Backbone and neck of a checkpoint, without the rest of the algorithm.

    To be built in the configuration's scope.

    Args:
        config (Config): Of the pre-training, in either library.
        path (str): Checkpoint, or what ``publish`` made of one.
        state (dict[str, Tensor]): Its weights.

    Raises:
        ValueError: The weights are not those of the configuration.
    """

    def __init__(self, config: Config, path: str,
                 state: Dict[str, Tensor]) -> None:
        super().__init__(config, seed=0)
        fill_backbone(self.backbone, state, path)
        self.neck = None
        # Why there is no projection; empty where there is one.
        self.lacks = self._load_neck(config.model, path, state)

    def forward(self, batch: dict) -> Tensor:
        """Compute features and, where there is a neck, projections.

        Args:
            batch (dict): Collated items of a test-time view.

        Returns:
            Tensor: (b, D) pooled features, or (b, D + P) with the
            projections behind them.
        """
        outputs = self.backbone(to_model_inputs(self, batch))
        # mmpretrain's transformers without a class token have None there.
        token = getattr(self.backbone, 'cls_token', None) is not None
        features = pool_features(outputs, token)
        self.width = features.shape[1]
        if self.neck is None:
            return features
        projections = projection(
            self.neck(self.reader.as_neck_input(outputs)), 'neck',
            self.reader)
        return torch.cat((features.float(), projections.float()), dim=1)

    def _load_neck(self, model: Config, path: str,
                   state: Dict[str, Tensor]) -> str:
        own = (model.get('inter_image') or {}).get('neck')
        prefix, config = (NECK, own) if own else ('neck.', model.get('neck'))
        if config is None:
            return 'the configuration has no model.neck'
        try:
            self.reader = find_reader(_stock_class(model))
        except ValueError as error:
            return str(error)
        neck: nn.Module = MODELS.build(copy.deepcopy(config))
        weights = {
            name[len(prefix):]: value
            for name, value in state.items() if name.startswith(prefix)
        }
        if not weights and neck.state_dict():
            left_out = 'publish' if own else 'publish --backbone'
            return (f'{path} has no weights named {prefix}*, which '
                    f'`{left_out}` leaves out: name the checkpoint of the '
                    'training')
        try:
            neck.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f'{path} does not fit the neck of the configuration: use that '
                f'which it was trained with. {error}') from error
        self.neck = neck
        return ''


def _stock_class(model: Config) -> type:
    algorithm = model.get('algorithm', model.type)
    if isinstance(algorithm, type):
        return algorithm
    with MODELS.switch_scope_and_registry(None) as registry:
        found = registry.get(algorithm)
    if found is None:
        raise ValueError(f'algorithm={algorithm!r} is not registered in scope '
                         f'{registry.scope!r}.')
    return found


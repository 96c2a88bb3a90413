"""The parts of a trained model that give an image's feature and projection."""
import copy
from typing import Any, Dict, List, Optional

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

# Where a stock algorithm keeps backbone and neck a second time: the momentum
# encoder, of which the bank's rows are.
_MOMENTUM = ('encoder_k.module.', 'target_net.module.',
             'momentum_encoder.module.')


class Embedder(FrozenModel):
    """Backbone and neck of a checkpoint, without the rest of the algorithm.

    To be built in the configuration's scope.

    Args:
        config (Config): Of the pre-training, in either library.
        path (str): Checkpoint, or what ``publish`` made of one.
        state (dict[str, Tensor]): Its weights.
        rows (bool): Also compute what the bank would store.

    Raises:
        ValueError: The weights are not those of the configuration.
    """

    def __init__(self, config: Config, path: str, state: Dict[str, Tensor],
                 *, rows: bool) -> None:
        super().__init__(config, seed=0)
        fill_backbone(self.backbone, state, path)
        self.neck = None
        # Why there is no projection; empty where there is one.
        self.lacks = self._load_neck(config.model, path, state)
        self.key_network = None
        if rows and self.neck and not _own_neck(config.model):
            self._load_key_network(path, state)
        self.widths: List[int] = []

    def forward(self, batch: dict) -> Tensor:
        """Compute all that the checkpoint gives of images.

        Args:
            batch (dict): Collated items of a test-time view.

        Returns:
            Tensor: (b, sum of ``widths``): pooled features; with a neck,
            projections; with a momentum encoder, its projections.
        """
        images = to_model_inputs(self, batch)
        outputs = self.backbone(images)
        # mmpretrain's transformers without a class token have None there.
        token = getattr(self.backbone, 'cls_token', None) is not None
        parts = [pool_features(outputs, token)]
        if self.neck is not None:
            parts.append(self._project(self.neck, outputs))
        if self.key_network is not None:
            backbone, neck = self.key_network
            parts.append(self._project(neck, backbone(images)))
        self.widths = [part.shape[1] for part in parts]
        return torch.cat([part.float() for part in parts], dim=1)

    def _project(self, neck: nn.Module, outputs: Any) -> Tensor:
        return projection(
            neck(self.reader.as_neck_input(outputs)), 'neck', self.reader)

    def _load_key_network(self, path: str, state: Dict[str, Tensor]) -> None:
        for prefix in _MOMENTUM:
            weights = {
                name[len(prefix):]: value
                for name, value in state.items() if name.startswith(prefix)
            }
            if weights:
                network = nn.Sequential(self.backbone, self.neck)
                self.key_network = copy.deepcopy(network)
                _fill(self.key_network, weights, path)

    def _load_neck(self, model: Config, path: str,
                   state: Dict[str, Tensor]) -> str:
        own = _own_neck(model)
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
        _fill(neck, weights, path)
        self.neck = neck
        return ''


def _own_neck(model: Config) -> Optional[dict]:
    return (model.get('inter_image') or {}).get('neck')


def _fill(part: nn.Module, weights: Dict[str, Tensor], path: str) -> None:
    try:
        part.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f'{path} does not fit the neck of the configuration: use that '
            f'which it was trained with. {error}') from error


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


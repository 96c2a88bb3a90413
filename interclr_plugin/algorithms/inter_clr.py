"""How a stock algorithm gets the inter-image loss: a class derived from it."""
import functools
from typing import Dict, List, Optional, Union

from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..checkpoints.branch_names import rename_1_0
from ..inter_image import InterImageBranch
from ..settings import require_settings, written_in
from .image_index import image_index
from .projections import (
    ProjectionReader,
    find_reader,
    projection,
    recorded_calls,
)
from .stock_class import MODEL, require_stock_settings, stock_class_of


class InterCLRMixin:
    """Add the inter-image loss to the stock class that stands behind it.

    The stock ``loss()`` runs as it is; the projections that it computes on
    the way are recorded, so the branch costs no further forward pass.
    """

    def __init__(self, *, inter_image: dict, inter_neck: Optional[dict],
                 key_from: str, intra_weight: float, inter_weight: float,
                 **stock) -> None:
        super().__init__(**stock)
        self.key_from = key_from  # the reader's field that gives the key
        self.inter_image = InterImageBranch(**inter_image)
        # Weights, beside the branch: all that is in it is a data set's state.
        self.inter_neck = inter_neck and MODELS.build(inter_neck)
        self.intra_weight = intra_weight
        self.inter_weight = inter_weight
        self.warming_up = False

    def loss(self, inputs: List[Tensor],
             data_samples: List[BaseDataElement],
             **kwargs) -> Dict[str, Tensor]:
        """Compute the stock losses and the inter-image loss.

        Args:
            inputs (list[Tensor]): Views, (B, 3, H, W) each.
            data_samples (list[BaseDataElement]): B samples with
                ``sample_idx``.

        Returns:
            dict[str, Tensor]: The stock losses, weighted, under
            ``intra_*``; ``inter_loss``, weighted; ``change_ratio``.
        """
        with recorded_calls(self, self.projection_reader) as calls:
            stock = super().loss(inputs, data_samples, **kwargs)
        size = len(data_samples)
        reader = self.projection_reader
        if self.inter_neck is not None:
            # What the stock neck was given, through the branch's own.
            calls['neck'] = [
                self._own_projection(given) for given in calls['neck.input']
            ]
        query = reader.query(calls, size)
        key = getattr(reader, self.key_from)(calls, size).detach()
        index = image_index(data_samples, query.device)

        intra_weight, inter_weight = self.intra_weight, self.inter_weight
        if self.warming_up or self.inter_image.bank.status != 'clustered':
            intra_weight, inter_weight = 1.0, 0.0
        # mmengine sums every key with "loss" in it, and a key named "loss"
        # would replace that sum in the log.
        losses = {
            f'intra_{name}': _weigh(name, value, intra_weight)
            for name, value in stock.items()
        }
        if inter_weight == 0:
            losses.update(self.inter_image.update(key, index, query))
        else:
            loss, statistics = self.inter_image(query, key, index)
            losses.update(inter_loss=inter_weight * loss, **statistics)
        return losses

    def _load_from_state_dict(self, state_dict: dict, prefix: str,
                              *args) -> None:
        rename_1_0(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def project(self, images: Tensor) -> Tensor:
        """Compute the projections of single views.

        Args:
            images (Tensor): (b, 3, H, W), normalised.

        Returns:
            Tensor: (b, D).
        """
        reader = self.projection_reader
        features = reader.as_neck_input(self.backbone(images))
        if self.inter_neck is not None:
            return self._own_projection(features)
        return projection(self.neck(features), 'neck', reader)

    def _own_projection(self, features) -> Tensor:
        return projection(
            self.inter_neck(features), 'inter_neck', self.projection_reader)

    @property
    def projection_reader(self) -> ProjectionReader:
        return find_reader(type(self))


@functools.lru_cache(maxsize=None)
def derived_class(stock_class: type) -> type:
    """Derive InterCLR from a stock class; always the same class from one.

    Args:
        stock_class (type): Such as MoCo.

    Returns:
        type: Named after it; its instances can be pickled.
    """
    return type(
        f'InterCLR{stock_class.__name__}', (InterCLRMixin, stock_class),
        dict(
            __module__=stock_class.__module__,
            __doc__=f'InterCLR on {stock_class.__name__}.',
            # No import finds the class: another process derives it again.
            __reduce__=lambda self: (_blank, (stock_class, ), self.__dict__)))


def _blank(stock_class: type) -> InterCLRMixin:
    derived = derived_class(stock_class)
    return derived.__new__(derived)


def _weigh(name: str, value: Union[Tensor, List[Tensor]],
           weight: float) -> Union[Tensor, List[Tensor]]:
    if 'loss' not in name:
        return value
    if isinstance(value, (list, tuple)):
        return [weight * item for item in value]
    return weight * value


@MODELS.register_module()
@written_in(MODEL)
def InterCLR(*,
             algorithm: Union[str, type],
             inter_image: dict,
             inter_weight: float = 0.25,
             intra_weight: Optional[float] = None,
             **stock):
    """Build a stock algorithm with the inter-image branch added.

    The class is derived from the stock one, looked up in the scope of the
    moment, so checkpoints keep the stock keys (``backbone.*``, ``neck.*``)
    plus ``inter_image.*`` and ``inter_neck.*``, and stock hooks find what
    they look for.

    Args:
        algorithm (str | type): The stock class, or its name, such as
            ``'MoCo'``.
        inter_image (dict): Arguments of :class:`InterImageBranch`; only
            ``num_clusters`` has no default. ``neck`` gives the branch a neck
            of its own, configured as the stock one, in place of sharing
            that; ``key_view``, which view's projection its bank then stores:
            ``'second'``, the default, or ``'first'``, the default and the
            only one where the stock neck sees no other (MoCo, DenseCL, NPID).
        inter_weight (float): Weight of the inter-image loss, at least 0.
            Defaults to 0.25.
        intra_weight (float, optional): Weight of the stock losses, at least
            0. Defaults to None: ``1 - inter_weight``.
        **stock: Arguments of the stock class, as in its configuration.

    Returns:
        nn.Module: An instance of the stock class and of
        :class:`InterCLRMixin`.

    Raises:
        ValueError: If the algorithm is unknown, a weight negative, or a neck
            of the branch's own impossible.

    Source: docs/method.md 1; docs/architecture.md 1.
    """
    if intra_weight is None:
        intra_weight = 1 - inter_weight
    for name, weight in (('inter_weight', inter_weight), ('intra_weight',
                                                          intra_weight)):
        if not weight >= 0:
            raise ValueError(f'{name}={weight} must be at least 0. Change '
                             f'model=dict({name}=...); by default '
                             'intra_weight is 1 - inter_weight.')
    stock_class = stock_class_of(algorithm)
    algorithm = stock_class.__name__
    reader = find_reader(stock_class)  # fails early, before a model is built
    require_stock_settings(stock_class, stock)
    require_settings(
        InterImageBranch,
        inter_image,
        'model=dict(inter_image=dict({}))',
        more=('neck', 'key_view'))
    inter_image = dict(inter_image)
    inter_neck = inter_image.pop('neck', None)
    if inter_neck and 'neck' not in reader.watch:
        raise ValueError(
            f'algorithm={algorithm!r} cannot have inter_image=dict(neck=...): '
            f'its projections are read from {", ".join(reader.watch)}, not '
            "from its neck, whose input a neck of the branch's own would "
            'take. Remove inter_image.neck.')
    view = inter_image.pop('key_view', None)
    views = ('second', 'first') if reader.second else ('first', )
    if view not in (None, *views):
        raise ValueError(
            f'key_view={view!r} is not allowed with algorithm={algorithm!r}: '
            f'its neck sees views that give {" or ".join(map(repr, views))}.'
            ' Change inter_image=dict(key_view=...).')
    key_from = 'key'
    if inter_neck:
        key_from = 'query' if (view or views[0]) == 'first' else 'second'
    if 'feat_dim' not in inter_image:
        inter_image['feat_dim'] = _projection_width(
            inter_neck or stock.get('neck'))
    return derived_class(stock_class)(
        inter_image=inter_image,
        inter_neck=inter_neck,
        key_from=key_from,
        intra_weight=intra_weight,
        inter_weight=inter_weight,
        **stock)


def _projection_width(neck: Optional[dict]) -> int:
    width = neck.get('out_channels') if isinstance(neck, dict) else None
    if width is None:
        raise ValueError(
            f'The width of the projection is not in neck={neck!r} (no '
            'out_channels). Add it: inter_image=dict(feat_dim=...).')
    return width

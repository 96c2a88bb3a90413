"""Which backbones other libraries have too, and what is wrong with another."""
from typing import Any, NamedTuple, Tuple, Union

from torch import nn

# The ResNet of the paper, as torchvision has it.
_RESNET = dict(
    deep_stem=False,
    avg_down=False,
    style='pytorch',
    num_stages=4,
    strides=(1, 2, 2, 2),
    dilations=(1, 1, 1, 1),
    conv_cfg=None)
# The vision transformer of the paper, with a class token. The libraries do not
# have the same options.
_VIT = dict(
    final_norm=True,
    with_cls_token=True,
    output_cls_token=True,
    avg_token=False,
    out_type='cls_token')
_VITS = 'VisionTransformer', 'MoCoV3ViT'
TAKE_ONNX = 'ONNX takes nearly any backbone: --to onnx.'


class ResNetFacts(NamedTuple):
    """What a ResNet is built of."""
    depth: int
    stem: int  # channels
    base: int  # channels inside the first stage
    widths: Tuple[int, ...]  # channels that each stage gives
    blocks: Tuple[int, ...]  # of each stage
    bottleneck: bool


class ViTFacts(NamedTuple):
    """What a vision transformer with a class token is built of."""
    image: int  # edge, in pixels
    patch: int  # edge, in pixels
    width: int
    layers: int
    heads: int
    hidden: int  # width inside an MLP
    qkv_bias: bool
    eps: float  # of the layer norms


def facts_of(backbone: nn.Module, size: int) -> Union[ResNetFacts, ViTFacts]:
    """Describe a backbone that other libraries can build.

    Args:
        backbone (nn.Module): Of either library.
        size (int): Edge of the images that it was trained on, in pixels.

    Returns:
        ResNetFacts | ViTFacts: What it is built of.

    Raises:
        ValueError: It is another one; the message names what differs.
    """
    kind = type(backbone).__name__
    if kind == 'ResNet':
        return _resnet(backbone)
    if kind in _VITS:
        return _vit(backbone, size)
    why = ('its stem for small images (3 x 3, stride 1, no pooling) is not '
           'that of their ResNet. ' if kind == 'ResNet_CIFAR' else '')
    raise ValueError(
        f'model.backbone.type={kind!r} has no counterpart in other libraries: '
        f'{why}Allowed are ResNet, {" and ".join(_VITS)}. {TAKE_ONNX}')


def standard_name(facts: ResNetFacts) -> str:
    """Name a ResNet of the standard width, as torchvision and timm do.

    Args:
        facts (ResNetFacts): Of any width.

    Returns:
        str: ``resnet18`` to ``resnet152``.

    Raises:
        ValueError: It is narrower or wider.
    """
    for option, value in (('stem_channels', facts.stem), ('base_channels',
                                                          facts.base)):
        if value != 64:
            refuse(option, value, 64,
                   'Any width: --to huggingface, --to onnx.')
    return f'resnet{facts.depth}'


def refuse(option: str, value: Any, allowed: Any,
           instead: str = TAKE_ONNX) -> None:
    """Refuse a backbone for one of its options.

    Args:
        option (str): Its name in ``model.backbone``.
        value (Any): What it is.
        allowed (Any): What it may be.
        instead (str): What takes it.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f'model.backbone.{option}={value!r} has no counterpart '
                     f'there, allowed is {allowed!r}. {instead}')


def _resnet(backbone: nn.Module) -> ResNetFacts:
    bottleneck = backbone.depth >= 50
    for option, allowed in dict(
            _RESNET, expansion=4 if bottleneck else 1).items():
        value = getattr(backbone, option)
        if isinstance(allowed, tuple):
            value = tuple(value)
        if value != allowed:
            refuse(option, value, allowed)
    norm = backbone.norm_cfg['type']
    if norm not in ('BN', 'SyncBN'):
        refuse('norm_cfg.type', norm, 'BN')
    first = backbone.base_channels * backbone.expansion
    return ResNetFacts(
        depth=backbone.depth,
        stem=backbone.stem_channels,
        base=backbone.base_channels,
        widths=tuple(first * 2**stage for stage in range(4)),
        blocks=tuple(backbone.stage_blocks),
        bottleneck=bottleneck)


def _vit(backbone: nn.Module, size: int) -> ViTFacts:
    for option, allowed in _VIT.items():
        value = getattr(backbone, option, allowed)
        if value != allowed:
            refuse(option, value, allowed)
    if not isinstance(backbone.pre_norm, nn.Identity):
        refuse('pre_norm', True, False)
    image = tuple(backbone.img_size)
    if image != (size, size):
        refuse(
            'img_size', image, (size, size),
            'That is what it was trained on: set it in the configuration; '
            'loading then resizes the position embeddings.')
    projection = backbone.patch_embed.projection
    patch = projection.kernel_size[0]
    if projection.stride != (patch, patch) or size % patch:
        refuse('patch_cfg', repr(projection), 'patches side by side')
    layer = backbone.layers[0]
    return ViTFacts(
        image=size,
        patch=patch,
        width=backbone.embed_dims,
        layers=backbone.num_layers,
        heads=layer.attn.num_heads,
        hidden=layer.ffn.feedforward_channels,
        qkv_bias=layer.attn.qkv.bias is not None,
        eps=layer.norm1.eps)

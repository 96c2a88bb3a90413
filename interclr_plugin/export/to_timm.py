"""A folder that ``timm.create_model('local-dir:...')`` loads."""
import json
from pathlib import Path

import timm
from safetensors.torch import save_file
from torch import Tensor

from .names import VIT_TIMM, rename
from .source import Preprocessing, Source
from .stock import ResNetFacts, ViTFacts, facts_of, refuse, standard_name

_USAGE = """import timm

model = timm.create_model('local-dir:.', pretrained=True, num_classes=0)
model.eval()

config = timm.data.resolve_model_data_config(model)
transform = timm.data.create_transform(**config, is_training=False)
images = transform(image.convert('RGB'))[None]  # (1, 3, {size}, {size})
features = model(images)  # (1, D)"""
# Any size is given by arguments.
_VIT = 'vit_base_patch16_224'


def write(source: Source, folder: Path) -> str:
    """Write ``model.safetensors`` and ``config.json``.

    Args:
        source (Source): A backbone that timm has.
        folder (Path): To write into.

    Returns:
        str: Lines of Python that load it.

    Raises:
        ValueError: timm has no counterpart.
    """
    facts = facts_of(source.backbone, source.preprocessing.size)
    weights = source.weights()
    if isinstance(facts, ResNetFacts):
        name, arguments, width = standard_name(facts), {}, facts.widths[-1]
        pooling, first = 'avg', 'conv1'
        weights = {key: value.clone() for key, value in weights.items()}
    else:
        name, arguments, width = _VIT, _vit_arguments(facts), facts.width
        pooling, first = 'token', 'patch_embed.proj'
        weights = rename(weights, VIT_TIMM)
    save_file(
        weights, str(folder / 'model.safetensors'), metadata={'format': 'pt'})
    config = dict(
        architecture=name,
        num_classes=0,
        num_features=width,
        global_pool=pooling,
        model_args=arguments,
        pretrained_cfg=dict(
            **_pretrained_cfg(source.preprocessing),
            pool_size=None,
            num_classes=0,
            first_conv=first,
            classifier='fc' if pooling == 'avg' else 'head'))
    (folder / 'config.json').write_text(json.dumps(config, indent=2) + '\n')
    return _USAGE.format(**source.preprocessing._asdict())


def features(folder: Path, images: Tensor) -> Tensor:
    """Load what was written and compute features.

    Args:
        folder (Path): Written by :func:`write`.
        images (Tensor): (B, 3, H, W).

    Returns:
        Tensor: (B, D).
    """
    model = timm.create_model(
        f'local-dir:{folder}', pretrained=True, num_classes=0)
    return model.eval()(images)


def _vit_arguments(facts: ViTFacts) -> dict:
    if facts.eps != 1e-6:
        refuse('norm_cfg.eps', facts.eps, 1e-6)
    return dict(
        img_size=facts.image,
        patch_size=facts.patch,
        embed_dim=facts.width,
        depth=facts.layers,
        num_heads=facts.heads,
        mlp_ratio=facts.hidden / facts.width,
        qkv_bias=facts.qkv_bias)


def _pretrained_cfg(preprocessing: Preprocessing) -> dict:
    size = preprocessing.size
    return dict(
        input_size=[3, size, size],
        # timm rounds size / crop_pct down to the shorter edge.
        crop_pct=size / (preprocessing.resize + 0.5),
        crop_mode='center',
        interpolation='bilinear',
        mean=preprocessing.mean,
        std=preprocessing.std)

"""A folder that ``transformers.AutoModel.from_pretrained`` loads."""
import json
from pathlib import Path

import transformers
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, ResNetConfig, ViTConfig

from .names import RESNET_TRANSFORMERS, VIT_TRANSFORMERS, rename
from .source import Preprocessing, Source
from .stock import ResNetFacts, ViTFacts, facts_of

_USAGE = """from transformers import AutoImageProcessor, AutoModel

model = AutoModel.from_pretrained('.'{option})
model.eval()

processor = AutoImageProcessor.from_pretrained('.')
inputs = processor(image.convert('RGB'), return_tensors='pt')
features = model(**inputs).{output}  # (1, D)"""
_RESNET_OUTPUT = 'pooler_output.flatten(1)'
# transformers' pooler, a layer behind the class token, was not trained.
_VIT_OUTPUT = 'last_hidden_state[:, 0]'
_NO_POOLER = dict(add_pooling_layer=False)


def write(source: Source, folder: Path) -> str:
    """Write weights, ``config.json`` and ``preprocessor_config.json``.

    Args:
        source (Source): A backbone that transformers has.
        folder (Path): To write into.

    Returns:
        str: Lines of Python that load it.

    Raises:
        ValueError: transformers has no counterpart.
    """
    facts = facts_of(source.backbone, source.preprocessing.size)
    if isinstance(facts, ResNetFacts):
        config, table = _resnet_config(facts), RESNET_TRANSFORMERS
        usage = dict(option='', output=_RESNET_OUTPUT)
    else:
        config, table = _vit_config(facts), VIT_TRANSFORMERS
        usage = dict(option=', add_pooling_layer=False', output=_VIT_OUTPUT)
    config.save_pretrained(str(folder))
    save_file(
        rename(source.weights(), table),
        str(folder / 'model.safetensors'),
        metadata={'format': 'pt'})
    processor = _processor(source.preprocessing)
    (folder / 'preprocessor_config.json').write_text(
        json.dumps(processor, indent=2) + '\n')
    return _USAGE.format(**usage)


def features(folder: Path, images: Tensor) -> Tensor:
    """Load what was written and compute features.

    Args:
        folder (Path): Written by :func:`write`.
        images (Tensor): (B, 3, H, W).

    Returns:
        Tensor: (B, D).
    """
    config = json.loads((folder / 'config.json').read_text())
    is_vit = config['model_type'] == 'vit'
    model = AutoModel.from_pretrained(
        str(folder), **(_NO_POOLER if is_vit else {}))
    found = model.eval()(images)
    return (found.last_hidden_state[:, 0]
            if is_vit else found.pooler_output.flatten(1))


def _resnet_config(facts: ResNetFacts) -> transformers.PretrainedConfig:
    return ResNetConfig(
        embedding_size=facts.stem,
        hidden_sizes=list(facts.widths),
        depths=list(facts.blocks),
        layer_type='bottleneck' if facts.bottleneck else 'basic',
        architectures=['ResNetModel'])


def _vit_config(facts: ViTFacts) -> transformers.PretrainedConfig:
    return ViTConfig(
        image_size=facts.image,
        patch_size=facts.patch,
        hidden_size=facts.width,
        num_hidden_layers=facts.layers,
        num_attention_heads=facts.heads,
        intermediate_size=facts.hidden,
        qkv_bias=facts.qkv_bias,
        layer_norm_eps=facts.eps,
        architectures=['ViTModel'])


def _processor(preprocessing: Preprocessing) -> dict:
    size = preprocessing.size
    return dict(
        image_processor_type='BitImageProcessor',
        do_convert_rgb=True,
        do_resize=True,
        size=dict(shortest_edge=preprocessing.resize),
        resample=2,  # bilinear
        do_center_crop=True,
        crop_size=dict(height=size, width=size),
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=preprocessing.mean,
        image_std=preprocessing.std)

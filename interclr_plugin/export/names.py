"""What each library calls a weight: the one table of names."""
import re
from typing import Dict, Tuple

from torch import Tensor

from .stock import TAKE_ONNX

# What a name begins with here, and there. `#` is a number, and counted from 1
# here and from 0 there it is `@`; three names there are three parts of one
# weight. torchvision's and timm's ResNets have the names of here.
RESNET_TRANSFORMERS = {
    'conv1': 'embedder.embedder.convolution',
    'bn1': 'embedder.embedder.normalization',
    'layer@.#.conv@': 'encoder.stages.@.layers.#.layer.@.convolution',
    'layer@.#.bn@': 'encoder.stages.@.layers.#.layer.@.normalization',
    'layer@.#.downsample.0': 'encoder.stages.@.layers.#.shortcut.convolution',
    'layer@.#.downsample.1':
    'encoder.stages.@.layers.#.shortcut.normalization',
}
VIT_TIMM = {
    'cls_token': 'cls_token',
    'pos_embed': 'pos_embed',
    'patch_embed.projection': 'patch_embed.proj',
    'layers.#.ln1': 'blocks.#.norm1',
    'layers.#.attn.qkv': 'blocks.#.attn.qkv',
    'layers.#.attn.proj': 'blocks.#.attn.proj',
    'layers.#.ln2': 'blocks.#.norm2',
    'layers.#.ffn.layers.0.0': 'blocks.#.mlp.fc1',
    'layers.#.ffn.layers.1': 'blocks.#.mlp.fc2',
    'ln1': 'norm',
}
# As transformers 4 and 5 write them; in memory 5 has others.
VIT_TRANSFORMERS = {
    'cls_token': 'embeddings.cls_token',
    'pos_embed': 'embeddings.position_embeddings',
    'patch_embed.projection': 'embeddings.patch_embeddings.projection',
    'layers.#.ln1': 'encoder.layer.#.layernorm_before',
    'layers.#.attn.qkv': ('encoder.layer.#.attention.attention.query',
                          'encoder.layer.#.attention.attention.key',
                          'encoder.layer.#.attention.attention.value'),
    'layers.#.attn.proj': 'encoder.layer.#.attention.output.dense',
    'layers.#.ln2': 'encoder.layer.#.layernorm_after',
    'layers.#.ffn.layers.0.0': 'encoder.layer.#.intermediate.dense',
    'layers.#.ffn.layers.1': 'encoder.layer.#.output.dense',
    'ln1': 'layernorm',
}


def rename(weights: Dict[str, Tensor], table: dict) -> Dict[str, Tensor]:
    """Give weights the names of another library.

    Args:
        weights (dict[str, Tensor]): By their names in the backbone.
        table (dict): One of this file's.

    Returns:
        dict[str, Tensor]: By their names there, each in memory of its own.

    Raises:
        ValueError: A weight has no counterpart there.
    """
    renamed = {}
    for name, value in weights.items():
        here, numbers, rest = _look_up(name, table)
        there = table[here]
        parts = [there] if isinstance(there, str) else there
        shares = [value] if len(parts) == 1 else value.chunk(len(parts))
        for part, share in zip(parts, shares):
            beginning = re.sub('[#@]', '%d', part) % numbers
            renamed[beginning + rest] = share.clone()
    return renamed


def _look_up(name: str, table: dict) -> Tuple[str, Tuple[int, ...], str]:
    for here in table:
        pattern = re.sub('[#@]', r'(\\d+)', here.replace('.', r'\.'))
        found = re.match(pattern + r'(?=\.|$)', name)
        if found:
            numbers = tuple(
                int(number) - (mark == '@') for mark, number in zip(
                    re.findall('[#@]', here), found.groups()))
            return here, numbers, name[found.end():]
    raise ValueError(f'the weight backbone.{name} has no counterpart there: '
                     'model.backbone has an option that it does not know, '
                     f'layer scale for instance. {TAKE_ONNX}')

"""A file that ONNX Runtime runs: backbone and pooling, any batch size."""
import inspect
import json
import warnings
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor

from .source import Source

_OPSET = 17
_USAGE = """import json

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession('model.onnx')
how = session.get_modelmeta().custom_metadata_map
how = {{name: json.loads(value) for name, value in how.items()}}

image = image.convert('RGB')
ratio = how['resize'] / min(image.size)
width, height = (round(edge * ratio) for edge in image.size)
left, top = (width - how['size']) // 2, (height - how['size']) // 2
image = image.resize((width, height), Image.BILINEAR).crop(
    (left, top, left + how['size'], top + how['size']))
pixels = np.asarray(image) / 255
pixels = (pixels - how['mean']) / how['std']  # ({size}, {size}, 3)
images = pixels.transpose(2, 0, 1)[None].astype(np.float32)
features, = session.run(['features'], {{'images': images}})  # (1, D)"""


def write(source: Source, folder: Path) -> str:
    """Write ``model.onnx``, the preprocessing in its metadata.

    Args:
        source (Source): Of any backbone.
        folder (Path): To write into.

    Returns:
        str: Lines of Python that load it.
    """
    path = str(folder / 'model.onnx')
    size = source.preprocessing.size
    # The other exporter, which later releases of torch have as well, needs
    # two packages more.
    later = 'dynamo' in inspect.signature(torch.onnx.export).parameters
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            source, (torch.zeros(2, 3, size, size), ),
            path,
            input_names=['images'],
            output_names=['features'],
            dynamic_axes={
                'images': {0: 'batch'},
                'features': {0: 'batch'}
            },
            opset_version=_OPSET,
            **(dict(dynamo=False) if later else {}))
    model = onnx.load(path)
    onnx.helper.set_model_props(
        model, {
            name: json.dumps(value)
            for name, value in source.preprocessing._asdict().items()
        })
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return _USAGE.format(**source.preprocessing._asdict())


def features(folder: Path, images: Tensor) -> Tensor:
    """Load what was written and compute features.

    Args:
        folder (Path): Written by :func:`write`.
        images (Tensor): (B, 3, H, W).

    Returns:
        Tensor: (B, D).
    """
    session = onnxruntime.InferenceSession(
        str(folder / 'model.onnx'), providers=['CPUExecutionProvider'])
    found, = session.run(['features'], {'images': images.numpy()})
    return torch.from_numpy(found)

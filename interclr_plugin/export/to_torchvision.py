"""A state dict that torchvision's ResNets load."""
import json
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from .source import Source
from .stock import ResNetFacts, facts_of, standard_name

_USAGE = """import torch
import torchvision

model = torchvision.models.{model}()
model.fc = torch.nn.Identity()
model.load_state_dict(torch.load('model.pth', weights_only=True))
model.eval()

transform = torchvision.transforms.Compose([
    torchvision.transforms.Resize({resize}),
    torchvision.transforms.CenterCrop({size}),
    torchvision.transforms.ToTensor(),
    torchvision.transforms.Normalize({mean}, {std})
])
images = transform(image.convert('RGB'))[None]  # (1, 3, {size}, {size})
features = model(images)  # (1, D)"""


def write(source: Source, folder: Path) -> str:
    """Write ``model.pth`` and ``preprocessing.json``.

    Args:
        source (Source): A ResNet as its paper has it.
        folder (Path): To write into.

    Returns:
        str: Lines of Python that load it.

    Raises:
        ValueError: torchvision has no counterpart.
    """
    facts = facts_of(source.backbone, source.preprocessing.size)
    if not isinstance(facts, ResNetFacts):
        raise ValueError(
            "torchvision's vision transformers have other weights. Take --to "
            'timm, huggingface or onnx.')
    name = standard_name(facts)
    torch.save(source.weights(), str(folder / 'model.pth'))
    preprocessing = dict(source.preprocessing._asdict(), model=name)
    (folder / 'preprocessing.json').write_text(
        json.dumps(preprocessing, indent=2) + '\n')
    return _USAGE.format(**preprocessing)


def features(folder: Path, images: Tensor) -> Tensor:
    """Load what was written and compute features.

    Args:
        folder (Path): Written by :func:`write`.
        images (Tensor): (B, 3, H, W).

    Returns:
        Tensor: (B, D).
    """
    name = json.loads((folder / 'preprocessing.json').read_text())['model']
    model = getattr(torchvision.models, name)()
    model.fc = nn.Identity()
    weights = torch.load(str(folder / 'model.pth'), weights_only=True)
    model.load_state_dict(weights)
    return model.eval()(images)

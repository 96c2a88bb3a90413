"""When an export counts: read back by its library, it gives our features."""
import importlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, Optional, Tuple

import torch

from ..checkpoints.weight_file import require_free
from .card import write_card
from .source import Source, load_source
from .stock import TAKE_ONNX

# What each target is for; its module has `write` and `features`.
TARGETS = {
    'torchvision': 'a state dict for torchvision.models.resnet18 to resnet152',
    'timm': 'a folder for timm.create_model: ResNets, vision transformers',
    'huggingface': 'a folder for transformers.AutoModel: the same',
    'onnx': 'a file for ONNX Runtime and others: nearly any backbone',
}
# Images that are compared; not the number with which anything was traced.
_NUM_IMAGES = 5
# Of the largest feature. A wrong weight makes the difference as large as the
# features, rounding makes it about a millionth.
_TOLERANCE = 1e-4


class Exported(NamedTuple):
    """What was written, and how far it is from its source."""
    folder: Path
    width: int  # D, values of a feature
    largest: float  # magnitude among the source's features
    difference: float  # largest one between source and export


def export(source: str,
           target: str,
           *,
           to: str,
           config: Optional[str] = None) -> Exported:
    """Write a trained backbone as another library loads it.

    What was written is read back by that library's own call, and its features
    of random images are compared with the source's before anything stands in
    ``target``. The exported model takes red, green, blue, whatever the
    training took.

    Args:
        source (str): Work directory of a training, whose last checkpoint is
            taken, or a file: a checkpoint, or what ``publish`` wrote, with
            ``--backbone`` or without.
        target (str): Folder to make, with the model, its preprocessing and a
            README.md that has the lines to load it.
        to (str): One of ``TARGETS``.
        config (str, optional): Configuration of the training. None: the one
            in the work directory, or in the folder of the file.

    Returns:
        Exported: The folder, and the largest difference.

    Raises:
        FileExistsError: ``target`` is there already.
        FileNotFoundError: There is no such source, or no configuration.
        ImportError: A library that the target needs is not installed.
        ValueError: The target has no counterpart of the backbone, the weights
            do not fit the configuration, or the features differ.

    Source: docs/export.md.
    """
    if to not in TARGETS:
        raise ValueError(f'to={to!r} is no target; allowed: '
                         f'{", ".join(TARGETS)}.')
    require_free(target)
    kind = _module(to)
    trained = load_source(source, config)
    parent = Path(target).resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    # Complete or not there at all.
    folder = Path(tempfile.mkdtemp(prefix='.export', dir=str(parent)))
    try:
        usage = kind.write(trained, folder)
        found = _compare(kind, trained, folder, to)
        exported = Exported(Path(target), *found)
        write_card(folder, trained, usage, exported)
        folder.chmod(0o755)
        folder.rename(target)
    except BaseException:
        shutil.rmtree(str(folder))
        raise
    return exported


def _module(to: str) -> Any:
    try:
        return importlib.import_module(f'.to_{to}', __package__)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'--to {to} needs {error.name}, which is not installed. In the '
            "project's folder: pip install '.[export]'; or pip install "
            f'{error.name}') from error


def _compare(kind: Any, trained: Source, folder: Path,
             to: str) -> Tuple[int, float, float]:
    size = trained.preprocessing.size
    images = torch.randn(
        _NUM_IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = trained(images)  # (B, D)
        theirs = kind.features(folder, images)
    if ours.shape != theirs.shape:
        raise ValueError(
            f'the backbone gives {ours.shape[1]} values and its counterpart '
            f'{theirs.shape[1]}: model.backbone.out_indices leaves out the '
            'last level. Add it, or take --to onnx.')
    largest = float(ours.abs().max())
    difference = float((ours - theirs).abs().max())
    if not difference <= _TOLERANCE * largest:  # also NaN
        why = ('The training diverged, or the backbone treats a batch by its '
               'size, as Swin does, which tracing makes a constant.'
               if to == 'onnx' else 'An option of model.backbone has no '
               f'counterpart there. {TAKE_ONNX}')
        raise ValueError(
            f'the export gives other features, by up to {difference:.2g} '
            f'where the largest is {largest:.2g}; nothing was written. {why}')
    return ours.shape[1], largest, difference

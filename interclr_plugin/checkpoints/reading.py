"""How a checkpoint is read: its weights alone, and no code in it is run."""
import pickle
import types
import zipfile
from typing import Any, Dict

import torch
from mmengine.fileio import get_local_path
from mmengine.utils import digit_version
from torch import Tensor, nn

from . import bank_shards

# What a state dict is made of. Storages are torch.load's own affair.
_OF_TENSORS = {('collections', 'OrderedDict'),
               ('torch._utils', '_rebuild_tensor_v2'),
               ('torch._utils', '_rebuild_parameter')}


def load_state_dict(path: str) -> Dict[str, Tensor]:
    """Read the weights of a checkpoint alone.

    Args:
        path (str): As for :func:`load_checkpoint`, which says what it raises.

    Returns:
        dict[str, Tensor]: Weights by name, on the CPU.
    """
    return load_checkpoint(path)['state_dict']


def load_checkpoint(path: str) -> Dict[str, Any]:
    """Read a checkpoint, of this plugin or any other.

    Args:
        path (str): File or URL. Weights under ``state_dict``, as mmengine
            saves them, or at the top.

    Returns:
        dict: ``state_dict``, weights by name, on the CPU, and whatever else
        stands there. The rows of a sharded bank are in files beside it, and
        read when they are asked for (:class:`.bank_shards.BankShards`).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no weights, or more than data.
    """
    with get_local_path(str(path)) as local:
        try:
            checkpoint = read(local)
        except (FileNotFoundError, PermissionError, ValueError):
            raise
        except Exception as error:  # whatever the bytes of a file lead to
            raise ValueError(
                f'{path} is not a whole checkpoint: it was cut off, or is '
                f'another kind of file ({error!r}). Name another one.'
            ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{path} holds a {type(checkpoint).__name__}, not '
                         'the weights of a model. Name a checkpoint such as '
                         'epoch_50.pth.')
    weights = checkpoint.get('state_dict', checkpoint)
    if not any(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f'{path} holds no weights, but {list(weights)[:5]}. '
                         'Name a checkpoint such as epoch_50.pth.')
    checkpoint = {**checkpoint, 'state_dict': weights}
    bank_shards.attach(checkpoint, str(path))
    return checkpoint


def load_backbone(backbone: nn.Module, path: str) -> None:
    """Fill a backbone with the weights of a checkpoint.

    Args:
        backbone (nn.Module): Changed in place.
        path (str): File or URL, as for :func:`fill_backbone`.

    Raises:
        ValueError: The weights are not those of this backbone.
    """
    fill_backbone(backbone, load_state_dict(path), path)


def fill_backbone(backbone: nn.Module, state: Dict[str, Tensor],
                  path: str) -> None:
    """Fill a backbone with weights that were read.

    Args:
        backbone (nn.Module): Changed in place.
        state (dict[str, Tensor]): Those named ``backbone.*`` are taken; where
            there is none, all, as ``publish --backbone`` writes them.
        path (str): Where they were, for the error.

    Raises:
        ValueError: The weights are not those of this backbone.
    """
    prefix = 'backbone.'
    weights = {
        name[len(prefix):]: value
        for name, value in state.items() if name.startswith(prefix)
    }
    try:
        backbone.load_state_dict(weights or state)
    except RuntimeError as error:
        raise ValueError(
            f'{path} does not fit model.backbone of the configuration: it '
            f'has {len(weights)} weights named backbone.*, others are '
            f'{[name for name in state if not name.startswith(prefix)][:3]}. '
            f'Use the configuration it was trained with. {error}') from error


def read(path: str) -> Any:
    """Read what is in a local file, nothing of which is run.

    Args:
        path (str): As ``torch.save`` wrote it.

    Returns:
        Any: With tensors on the CPU.
    """
    # Mapped, what is not asked for is not read: of a bank perhaps the labels.
    mapped = dict(map_location='cpu', mmap=zipfile.is_zipfile(path))
    if digit_version(torch.__version__) < digit_version('2.6.0'):
        # Older releases refuse what mmengine stores beside the weights, and
        # cannot be told that it is safe. It is skipped here, unread.
        reader = types.SimpleNamespace(
            __name__=__name__, Unpickler=_TensorUnpickler, load=_load_pickle)
        return torch.load(path, pickle_module=reader, **mapped)
    try:
        # upstream/ has declared the classes that mmengine stores.
        return torch.load(path, weights_only=True, **mapped)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} holds objects that could run code, and only weights are '
            "allowed. Save its 'state_dict' alone.") from error


def _load_pickle(file: Any, **options: Any) -> Any:
    return _TensorUnpickler(file, **options).load()


class _TensorUnpickler(pickle.Unpickler):

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OF_TENSORS:
            return super().find_class(module, name)
        return _Skipped


class _Skipped:
    """Stands for any other object; takes every step of unpickling."""

    def __init__(self, *args: Any) -> None:
        pass

    def _ignore(self, *args: Any) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = update = _ignore

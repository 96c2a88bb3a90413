"""What mmengine may build of a file of weights: what it stores, no more."""
import functools
import re
import types
from pickle import Unpickler, UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.utils import digit_version

_COULD_RUN = (
    '{} holds objects that could run code, and only weights are loaded. Save '
    "its 'state_dict' alone, or name another file: load_from=...")


def allow_resume():
    """Let torch >= 2.6 resume from the checkpoints that mmengine writes.

    torch loads with ``weights_only`` by default and refuses what mmengine
    0.10.7 stores beside the weights (mmengine 1655, 1670): ``HistoryBuffer``
    objects, which hold arrays and their own methods, a numpy number, and of
    ``OneCycleLR`` a function of its class. Exactly these are declared safe,
    so that ``weights_only`` stays on. Each is declared by its name:
    onedl-mmengine forgets, after each file, classes that are declared alone.
    """
    if _old_torch():
        return
    safe = _stored_objects()
    if getattr in torch.serialization.get_safe_globals():
        del safe['builtins.getattr']
    torch.serialization.add_safe_globals(
        [(kind, name) for name, kind in safe.items()])


def _old_torch():
    return digit_version(torch.__version__) < digit_version('2.6.0')


def _stored_objects():
    array = np.empty(0).__reduce__()[0]
    number = np.float64(0).__reduce__()[0]
    # OneCycleLR stores its way to anneal, a function of its class.
    kinds = [HistoryBuffer, OneCycleParamScheduler, np.ndarray, np.dtype]
    kinds += [type(np.dtype(kind)) for kind in (float, int)]
    stored = {f'{kind.__module__}.{kind.__qualname__}': kind for kind in kinds}
    # A checkpoint names them as its writer's numpy did, version 1 or 2.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        stored[f'{module}._reconstruct'] = array
        stored[f'{module}.scalar'] = number
    # Methods are stored as calls of getattr, which is not safe in general.
    stored['builtins.getattr'] = _stored_method
    return stored


def _stored_method(owner, name):
    """``getattr`` for the methods alone that mmengine's objects store."""
    allowed = {
        HistoryBuffer: HistoryBuffer()._statistics_methods,
        OneCycleParamScheduler: {
            name: getattr(OneCycleParamScheduler, name)
            for name in ('_annealing_cos', '_annealing_linear')
        }
    }
    methods = allowed.get(owner, {})
    if name not in methods:
        raise UnpicklingError(
            f'a checkpoint asks for the attribute {name!r} of {owner!r}; '
            f'only {sorted(methods)} of it are allowed')
    return methods[name]


def refuse_pickles(module):
    """Let no file that holds more than weights be loaded after all.

    torch below 2.6 loads whatever a file names and runs it. What it is asked
    for by mmengine, for ``load_from``, ``--resume`` and ``init_cfg``, is built
    from the names that torch 2.6 allows. onedl-mmengine 0.10.12 loads what
    torch refuses again with ``weights_only=False``; that is taken back.
    """
    if _old_torch():
        _allow_names_alone(module.CheckpointLoader)
        return
    stock = getattr(module, '_safe_torch_load', None)
    if stock is None:
        return

    @functools.wraps(stock)
    def load(file, map_location=None, weights_only=None):
        try:
            return stock(
                file,
                map_location,
                True if weights_only is None else weights_only)
        except UnpicklingError as error:
            raise ValueError(_COULD_RUN.format(file)) from error

    module._safe_torch_load = load


def _allow_names_alone(loader):
    stock = loader.load_checkpoint.__func__
    reader = types.SimpleNamespace(
        __name__=__name__,
        Unpickler=_ListedNames,
        load=lambda file, **options: _ListedNames(file, **options).load())

    @functools.wraps(stock)
    def load_checkpoint(cls, filename, *args, **kwargs):
        load = torch.load
        # Each kind of place calls it by itself, onedl-mmengine's with
        # weights_only, which goes with no other reader.
        torch.load = lambda *file, **options: load(
            *file, **{**options, 'pickle_module': reader,
                      'weights_only': False})
        try:
            return stock(cls, filename, *args, **kwargs)
        except UnpicklingError as error:
            raise ValueError(_COULD_RUN.format(filename)) from error
        finally:
            torch.load = load

    loader.load_checkpoint = classmethod(load_checkpoint)


class _ListedNames(Unpickler):
    """Builds what ``weights_only`` of torch 2.6 does."""

    KNOWN = {
        'collections.OrderedDict', 'collections.Counter', '_codecs.encode',
        'builtins.bytearray', 'builtins.set', 'builtins.complex', 'torch.Size',
        'torch.Tensor', 'torch.device', 'torch.nn.parameter.Parameter',
        'torch.serialization._get_layout',
        'torch._tensor._rebuild_from_type_v2'
    }

    def find_class(self, module, name):
        module = module.replace('__builtin__', 'builtins')  # Python 2's
        wanted, stored = f'{module}.{name}', _stored_objects()
        if wanted in stored:
            return stored[wanted]
        if wanted not in self.KNOWN and not (
                module == 'torch._utils' and re.match(r'_rebuild_\w+$', name)
                or module == 'torch' and isinstance(
                    getattr(torch, name, None), torch.dtype)):
            raise UnpicklingError(f'{wanted} is not allowed')
        return super().find_class(module, name)

"""What of mmengine is mended: configurations, resuming, inherited loaders."""
import functools
import sys
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.utils import digit_version

from .after_import import after_import


def find_own_configs():
    """Let a configuration inherit from ``interclr_plugin::...``.

    mmengine's table of packages is fixed (mmengine 0.10.7,
    ``config/utils.py``). An installed plugin has added itself when Python
    started, see startup.py; this serves one that runs from a source tree.
    """
    after_import('mmengine.config.config', teach_mmengine)


def teach_mmengine(config):
    """Add this package to the table that ``mmengine.config.config`` uses."""
    try:
        table = sys.modules['mmengine.config.utils'].MODULE2PACKAGE
        find = config.Config._get_cfg_path
    except (AttributeError, KeyError):
        return  # Another mmengine: leave it alone, every program runs this.
    if 'interclr_plugin' in table:
        return
    # A module's name: mmengine asks the import system for the folder of what
    # is no distribution, and only that knows where an editable install lies.
    table['interclr_plugin'] = 'interclr_plugin.version'

    def get_cfg_path(name, *args):
        path, scope = find(name, *args)
        # No library: what is inherited is built in the scope of the heir. So
        # are mmselfsup's benchmarks, which are models of mmcls, mmdetection
        # and mmsegmentation: in its own scope none of them is found.
        if scope == 'interclr_plugin' or name.startswith(
                'mmselfsup::benchmarks/'):
            scope = None
        return path, scope

    config.Config._get_cfg_path = staticmethod(get_cfg_path)


def allow_resume():
    """Let torch >= 2.6 resume from the checkpoints that mmengine writes.

    torch loads with ``weights_only`` by default and refuses what mmengine
    0.10.7 stores beside the weights (mmengine 1655, 1670): ``HistoryBuffer``
    objects, which hold arrays and their own methods, a numpy number, and of
    ``OneCycleLR`` a function of its class.
    Exactly these are declared safe, so that ``weights_only`` stays on.
    """
    if digit_version(torch.__version__) < digit_version('2.6.0'):
        return
    array = np.empty(0).__reduce__()[0]
    number = np.float64(0).__reduce__()[0]
    safe = [HistoryBuffer, np.ndarray, np.dtype]
    safe += [type(np.dtype(kind)) for kind in (float, int)]
    # A checkpoint names them as its writer's numpy did, version 1 or 2.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        safe += [(array, f'{module}._reconstruct')]
        safe += [(number, f'{module}.scalar')]
    # OneCycleLR stores its way to anneal, a function of this class.
    safe += [OneCycleParamScheduler]
    # Methods are stored as calls of getattr, which is not safe in general.
    if getattr not in torch.serialization.get_safe_globals():
        safe += [(_stored_method, 'builtins.getattr')]
    torch.serialization.add_safe_globals(safe)


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


def mend_inherited_collate():
    """Let a training start whose loader was inherited by a package's name.

    mmengine 0.10.7 marks what is inherited from ``mmselfsup::...`` or
    ``mmpretrain::...`` with its ``_scope_``, and ``Runner.build_dataloader``
    hands that mark to the function that stacks a batch as if it were an
    argument (no thread is known). Every stock pre-training names such a
    function.
    """
    after_import('mmengine.runner.runner', _leave_out_scope)


def _leave_out_scope(module):
    stock = module.Runner.build_dataloader

    @functools.wraps(stock)
    def build_dataloader(dataloader, *args, **kwargs):
        if isinstance(dataloader, dict) and isinstance(
                dataloader.get('collate_fn'), dict):
            collate = dict(dataloader['collate_fn'])
            collate.pop('_scope_', None)
            dataloader = {**dataloader, 'collate_fn': collate}
        return stock(dataloader, *args, **kwargs)

    module.Runner.build_dataloader = staticmethod(build_dataloader)

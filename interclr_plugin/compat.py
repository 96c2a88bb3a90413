"""Defects of the libraries around us, mended when the plugin is imported.

Each function mends one, names its upstream thread where there is one, and
changes nothing on an installation that is right. None imports a library that
is not in use.
"""
import functools
import sys
from importlib.machinery import PathFinder
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.registry import Registry
from mmengine.utils import digit_version

from .startup import after_import, teach_mmengine


def mend():
    """Apply every mend."""
    find_own_configs()
    mend_mmselfsup_locations()
    allow_resume()
    mend_hue()
    mend_feature_extraction()
    mend_inherited_collate()


def find_own_configs():
    """Let a configuration inherit from ``interclr_plugin::...``.

    mmengine's table of packages is fixed (mmengine 0.10.7,
    ``config/utils.py``). An installed plugin has added itself when Python
    started, see startup.py; this serves one that runs from a source tree.
    """
    after_import('mmengine.config.config', teach_mmengine)


def mend_mmselfsup_locations():
    """Let mmselfsup 1.0.0 build its runner and its loops.

    Three of its registries import a module that does not exist,
    ``mmselfsup.engine.runner`` (mmselfsup 745; mended on its main by 746,
    never released). Whatever location is missing becomes the nearest package
    above it. This waits until mmselfsup's registries are imported.
    """
    after_import('mmselfsup.registry', _replace_missing_locations)


def _replace_missing_locations(module):
    for registry in vars(module).values():
        # The module also names the root registries, which are not its own.
        if isinstance(registry, Registry) and registry.scope == 'mmselfsup':
            registry._locations = [
                _nearest_module(name) for name in registry._locations
            ]


def _nearest_module(name):
    """The longest part of a dotted name that exists, importing nothing."""
    found, *rest = name.split('.')
    path = sys.modules[found].__path__
    for part in rest:
        spec = PathFinder.find_spec(f'{found}.{part}', path)
        if spec is None:
            break
        found, path = spec.name, spec.submodule_search_locations
    return found


def allow_resume():
    """Let torch >= 2.6 resume from the checkpoints that mmengine writes.

    torch loads with ``weights_only`` by default and refuses what mmengine
    0.10.7 stores beside the weights (mmengine 1655, 1670): ``HistoryBuffer``
    objects, which hold arrays and their own methods, and a numpy number.
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
    # Methods are stored as calls of getattr, which is not safe in general.
    if getattr not in torch.serialization.get_safe_globals():
        safe += [(_statistic, 'builtins.getattr')]
    torch.serialization.add_safe_globals(safe)


def _statistic(owner, name):
    """``getattr`` for the methods that a ``HistoryBuffer`` stores alone."""
    methods = HistoryBuffer()._statistics_methods
    if owner is not HistoryBuffer or name not in methods:
        raise UnpicklingError(
            f'a checkpoint asks for the attribute {name!r} of {owner!r}; '
            f'only {sorted(methods)} of HistoryBuffer are allowed'
        )
    return methods[name]


def mend_hue():
    """Let mmcv turn the hue back with numpy 2, as every stock recipe does.

    mmcv casts a negative shift to uint8 and counts on its wrapping round,
    which numpy 2 refuses (torchvision had the same line, lightly 1885; mended
    in onedl-mmcv 41, not in mmcv). The shift is wrapped before the cast.
    """
    after_import('mmcv.image.photometric', _wrap_negative_hue)
    # Each of these names the function in a module of its own.
    for holder in ('mmcv.image', 'mmcv',
                   'mmselfsup.datasets.transforms.processing'):
        after_import(holder, _take_mended_hue)


class _WrappingHue(float):
    """A share of the hue circle whose product with 255 fits into uint8."""

    def __mul__(self, steps):
        return int(float(self) * steps) % 256


def _wrap_negative_hue(photometric):
    stock = photometric.adjust_hue
    try:
        stock(np.zeros((1, 1, 3), np.uint8), -0.1, backend='cv2')
    except OverflowError:

        @functools.wraps(stock)
        def adjust_hue(img, hue_factor, backend=None):
            return stock(img, _WrappingHue(hue_factor), backend)

        photometric.adjust_hue = adjust_hue


def _take_mended_hue(module):
    mended = sys.modules['mmcv.image.photometric'].adjust_hue
    module.adjust_hue = mended


def mend_feature_extraction():
    """Let mmselfsup's tool for VOC07 SVMs extract features.

    In mmselfsup 1.0.0 ``tools/benchmarks/classification/svm_voc07/extract.py``
    always loads with ``pseudo_collate``, and the data preprocessor of every
    pre-training only takes what ``default_collate`` made: a tensor for each
    view, not a tuple of images.
    """
    after_import('mmselfsup.models.utils.data_preprocessor', _stack_views)


def _stack_views(module):
    stock = module.SelfSupDataPreprocessor.forward

    @functools.wraps(stock)
    def forward(self, data, training=False):
        views = data['inputs'] if isinstance(data, dict) else ()
        if any(isinstance(view, tuple) for view in views):
            data = {**data, 'inputs': [torch.stack(view) for view in views]}
        return stock(self, data, training)

    module.SelfSupDataPreprocessor.forward = forward


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

"""What of mmselfsup 1.0.0 is mended: where it looks, and how it extracts."""
import functools
import sys
from importlib.machinery import PathFinder

import torch
from mmengine.registry import Registry


def mend_locations(module):
    """Let mmselfsup 1.0.0 build its runner and its loops.

    Three of its registries import a module that does not exist,
    ``mmselfsup.engine.runner`` (mmselfsup 745; mended on its main by 746,
    never released). Whatever location is missing becomes the nearest package
    above it.
    """
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


def mend_feature_extraction(module):
    """Let mmselfsup's tool for VOC07 SVMs extract features.

    In mmselfsup 1.0.0 ``tools/benchmarks/classification/svm_voc07/extract.py``
    always loads with ``pseudo_collate``, and the data preprocessor of every
    pre-training only takes what ``default_collate`` made: a tensor for each
    view, not a tuple of images.
    """
    stock = module.SelfSupDataPreprocessor.forward

    @functools.wraps(stock)
    def forward(self, data, training=False):
        views = data['inputs'] if isinstance(data, dict) else ()
        if any(isinstance(view, tuple) for view in views):
            data = {**data, 'inputs': [torch.stack(view) for view in views]}
        return stock(self, data, training)

    module.SelfSupDataPreprocessor.forward = forward

"""InterCLR for mmselfsup 1.x and mmpretrain 1.x.

Importing registers everything in mmengine's root registries, which the
registries of both libraries fall back to; neither library is imported.

A batch's way through it::

    InterCLR.loss(inputs, data_samples)          algorithms/inter_clr.py
        stock loss(), its projections recorded   algorithms/projections.py
        position of each image                   algorithms/image_index.py
        InterImageBranch(query, key, index)      inter_image/branch.py
            positives and negatives              inter_image/pair_sampler.py,
                                                 inter_image/relation_sampler.py
            MarginNCE                            inter_image/margin_nce_loss.py
            labels, then bank                    inter_image/label_updaters.py,
                                                 inter_image/clustered_bank.py
    MemoryBankHook                               hooks/memory_bank_hook.py
        sizes and fills the bank, first clustering, cadences

All folders, and which may import which: docs/architecture.md 2.
"""
from .requirement import require_mmengine

require_mmengine()

from . import algorithms, datasets, hooks, inter_image, monitors, upstream  # noqa: E402
from .version import __version__  # noqa: E402

upstream.mend()

__all__ = [
    '__version__', 'algorithms', 'datasets', 'hooks', 'inter_image',
    'monitors', 'upstream'
]

"""Which defects of the libraries around us are mended at the plugin's import.

There is a file for each library at fault. Each function in it mends one
defect, names its upstream thread where there is one, and changes nothing on
an installation that is right. What changes a module waits until somebody
imports that: no library is imported that is not in use.
"""
from . import mmcv, mmengine, mmengine_weights, mmselfsup
from .after_import import after_import

__all__ = ['mend', 'mmcv', 'mmengine', 'mmengine_weights', 'mmselfsup']

# What changes which module.
_WAITING = (
    ('mmengine.config.config', mmengine.find_own_configs),
    ('mmselfsup.registry', mmselfsup.mend_locations),
    ('mmengine.runner.checkpoint', mmengine_weights.refuse_pickles),
    ('mmengine.fileio.backends.local_backend', mmengine.write_whole_files),
    ('mmengine.utils.dl_utils.misc', mmengine.mend_find_loader),
    ('mmcv.utils.ext_loader', mmengine.mend_find_loader),
    ('mmcv.image.photometric', mmcv.mend_hue),
    # Each of these names that function in a module of its own.
    ('mmcv.image', mmcv.take_mended_hue),
    ('mmcv', mmcv.take_mended_hue),
    ('mmselfsup.datasets.transforms.processing', mmcv.take_mended_hue),
    ('mmselfsup.models.utils.data_preprocessor',
     mmselfsup.mend_feature_extraction),
    ('mmengine.runner.runner', mmengine.mend_inherited_collate),
    ('mmengine._strategy.fsdp', mmengine.mend_sharded_resume),
)


def mend() -> None:
    """Apply every mend."""
    mmengine_weights.allow_resume()
    for name, action in _WAITING:
        after_import(name, action)

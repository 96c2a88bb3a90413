"""Which defects of the libraries around us are mended at the plugin's import.

There is a file for each library at fault. Each function in it mends one
defect, names its upstream thread where there is one, and changes nothing on
an installation that is right. None imports a library that is not in use.
"""
from . import mmcv, mmengine, mmselfsup

__all__ = ['mend', 'mmcv', 'mmengine', 'mmselfsup']


def mend() -> None:
    """Apply every mend."""
    mmengine.find_own_configs()
    mmselfsup.mend_locations()
    mmengine.allow_resume()
    mmengine.refuse_pickles()
    mmengine.write_whole_files()
    mmengine.mend_find_loader()
    mmcv.mend_find_loader()
    mmcv.mend_hue()
    mmselfsup.mend_feature_extraction()
    mmengine.mend_inherited_collate()

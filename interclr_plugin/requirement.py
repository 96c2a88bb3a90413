"""Which mmengine there must be, and what to install where there is none.

No distribution of OpenMMLab is a requirement of the package: mmengine and
onedl-mmengine are two of one module, and pip would write one over the other.
"""
import importlib
import re

OLDEST = 0, 10, 7
_INSTALL = (
    'Install one of the two sets of libraries:\n'
    "  pip install 'mmengine>=0.10.7' 'setuptools<81' mmpretrain mmcv-lite\n"
    '  pip install onedl-mmengine onedl-mmcv onedl-mmpretrain')


def require_mmengine() -> None:
    """Import mmengine and the OpenCV that it uses, or say what is missing.

    Raises:
        ImportError: mmengine is not installed, is too old, or lacks
            pkg_resources, which setuptools 81 no longer has; or OpenCV lacks
            the display libraries of a desktop.
    """
    try:
        version = importlib.import_module('mmengine').__version__
    except ModuleNotFoundError as error:
        if error.name == 'pkg_resources':
            raise ImportError(
                'mmengine needs pkg_resources, which the installed setuptools '
                "does not have. Run: pip install 'setuptools<81'") from error
        if error.name != 'mmengine':
            raise
        raise ImportError('interclr_plugin needs mmengine >= 0.10.7, and '
                          f'there is none. {_INSTALL}') from error
    if tuple(map(int, re.findall(r'\d+', version)[:3])) < OLDEST:
        raise ImportError(f'interclr_plugin needs mmengine >= 0.10.7, and '
                          f'{version} is installed. {_INSTALL}')
    try:
        importlib.import_module('cv2')
    except ImportError as error:
        raise ImportError(
            f'OpenCV, which mmengine uses, cannot be imported: {error}. On a '
            'machine without display libraries take the build that needs '
            'none: pip install --force-reinstall --no-deps '
            'opencv-python-headless') from error

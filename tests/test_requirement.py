"""What is said where there is no mmengine, or one that does not fit."""
import importlib
import sys
import types

import pytest

from interclr_plugin.requirement import require_mmengine


def test_what_is_missing_is_said(monkeypatch):
    """Without it a user would see `No module named mmengine`, and install one
    that writes over the fork's."""
    require_mmengine()  # the one that is there
    monkeypatch.setitem(sys.modules, 'mmengine', None)
    with pytest.raises(ImportError, match='(?s)there is none.*onedl-mmengine'):
        require_mmengine()
    old = types.SimpleNamespace(__version__='0.10.6')
    monkeypatch.setitem(sys.modules, 'mmengine', old)
    with pytest.raises(ImportError, match='0.10.6 is installed'):
        require_mmengine()
    old.__version__ = '0.11.0rc3'
    require_mmengine()

    def without(missing):

        def import_module(name):
            raise ModuleNotFoundError(name=missing)

        return import_module

    monkeypatch.setitem(sys.modules, 'cv2', None)
    with pytest.raises(ImportError, match='opencv-python-headless'):
        require_mmengine()
    monkeypatch.setattr(importlib, 'import_module', without('pkg_resources'))
    with pytest.raises(ImportError, match="'setuptools<81'"):
        require_mmengine()
    monkeypatch.setattr(importlib, 'import_module', without('yaml'))
    with pytest.raises(ModuleNotFoundError) as left:
        require_mmengine()
    assert left.value.name == 'yaml'

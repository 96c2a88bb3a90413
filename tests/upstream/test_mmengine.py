"""Configurations, files and inherited loaders of mmengine."""
import importlib.util
import pkgutil
import types

import pytest
import torch
from fresh_process import run_python
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.utils.dl_utils.misc import mmcv_full_available

from interclr_plugin.upstream import mmengine

# find_own_configs


def test_configs_are_found_from_a_source_tree(tmp_path):
    (tmp_path / 'child.py').write_text(
        "_base_ = 'interclr_plugin::mmselfsup/"
        "moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'\n"
    )
    run_python(
        """
import interclr_plugin
from mmengine.config import Config
print(Config.fromfile('child.py').model.type)
""",
        tmp_path,
    )


@pytest.mark.parametrize('written, meant', [
    ('mmpretrain::selfsup/mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py',
     'mmpretrain::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py'),
    ('mmpretrain::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1.py',
     'mmpretrain::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py'),
    ('mmselfsup::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py',
     'mmselfsup::selfsup/mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py'),
])
def test_a_stock_file_in_another_folder_is_found(written, meant, tmp_path):
    """The libraries keep theirs in different folders; without it the error
    names a folder of site-packages and nothing else."""
    pytest.importorskip(written.split('::')[0])
    (tmp_path / 'mine.py').write_text(f'_base_ = {written!r}')
    with pytest.raises(FileNotFoundError, match=f"_base_ = '{meant}'"):
        Config.fromfile(tmp_path / 'mine.py')


def test_another_mmengine_is_left_alone():
    config = types.SimpleNamespace(Config=types.SimpleNamespace())
    mmengine.find_own_configs(config)
    assert not vars(config.Config)


# mend_find_loader


def test_find_loader_is_there_where_python_has_none(monkeypatch):
    """Without it no run would start on Python 3.14."""
    has_operators = importlib.util.find_spec('mmcv._ext') is not None
    assert mmcv_full_available() == has_operators
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)
    module = types.SimpleNamespace(pkgutil=pkgutil)
    mmengine.mend_find_loader(module)
    assert module.pkgutil.find_loader('mmengine.runner') is not None
    assert module.pkgutil.find_loader('mmengine.no_such_module') is None


def test_an_inherited_loader_stacks_its_batches():
    """Without it no training would start whose stock configuration was
    inherited by name, as the README does."""
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            dataset=[torch.zeros(3), torch.ones(3)],
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate', _scope_='mmselfsup')))
    batch, = loader
    assert batch.tolist() == [[0] * 3, [1] * 3]

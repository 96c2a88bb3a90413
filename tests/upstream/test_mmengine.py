"""Configurations, resuming and inherited loaders of mmengine."""
import importlib.util
import io
import pkgutil
import subprocess
import types
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from fresh_process import run_python
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner, load_checkpoint
from mmengine.utils import digit_version
from mmengine.utils.dl_utils.misc import mmcv_full_available

from interclr_plugin.upstream import mmengine

OLD_TORCH = digit_version(torch.__version__) < digit_version('2.6.0')
weights_only = pytest.mark.skipif(
    OLD_TORCH, reason='this torch does not load with weights_only by itself'
)


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


# allow_resume


class _Model(BaseModel):

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, *inputs, mode='tensor'):
        # A float and an integer are logged: arrays of both kinds are stored.
        return dict(loss=self.layer(torch.stack(inputs)).mean())


def _runner(work_dir, epochs):
    return Runner(
        model=_Model(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=[torch.full((2,), float(i)) for i in range(8)],
            sampler=dict(type='DefaultSampler', shuffle=True),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        param_scheduler=dict(type='CosineAnnealingLR', by_epoch=True),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[dict(type='EMAHook')],
        resume=True,
        cfg=Config(dict()),
        experiment_name=f'{work_dir.parent.name}_{epochs}',
    )


def test_a_run_resumes(tmp_path):
    work_dir = tmp_path / 'run'
    first = _runner(work_dir, 1)
    first.train()
    losses = first.message_hub.get_scalar('train/loss').data[0]
    second = _runner(work_dir, 2)
    second.train()
    assert (second.epoch, second.iter) == (2, 8)
    resumed = second.message_hub.get_scalar('train/loss').data[0]
    np.testing.assert_array_equal(resumed[:len(losses)], losses)
    assert len(resumed) == 2 * len(losses)


def _reload(value, replace=(b'', b'')):
    """Through a checkpoint in the old format, whose bytes can be changed."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return torch.load(io.BytesIO(file.getvalue().replace(*replace)))


@pytest.mark.parametrize('values', [[0.5, 1.5], [1, 2]], ids=['float', 'int'])
@pytest.mark.parametrize(
    'written', [b'numpy.core.multiarray', b'numpy._core.multiarray']
)
def test_a_buffer_of_either_numpy_is_loaded(values, written):
    here = np.empty(0).__reduce__()[0].__module__.encode()
    if written != here and OLD_TORCH:
        pytest.skip('here Python itself must find what the other numpy named')
    loaded = _reload(HistoryBuffer(values, [1, 1]), (here, written))
    np.testing.assert_array_equal(loaded.data[0], values)
    assert loaded.data[0].dtype == np.array(values).dtype
    assert loaded.statistics('mean') == np.mean(values)
    assert _reload(np.float64(0.5), (here, written)) == 0.5


class _Getattr:
    """Asks, when it is loaded, for an attribute that nothing may ask for."""

    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return getattr, self.args


@weights_only
@pytest.mark.parametrize(
    'args', [(HistoryBuffer, '__init__'), (np.ndarray, 'tofile')], ids=str
)
def test_weights_only_stays_on(args):
    with pytest.raises(Exception, match='attribute|allowed'):
        _reload(_Getattr(*args))
    with pytest.raises(Exception, match='allowed global|unsupported GLOBAL'):
        _reload(subprocess.run)


@weights_only
def test_what_is_declared_safe_stays_so():
    """Without it an evaluation after a training of onedl-mmengine, which
    loads so, would refuse the run's own checkpoint."""
    with torch.serialization.safe_globals(
        [HistoryBuffer, np.ndarray, np.dtype, type(np.dtype(float)), getattr]
    ):
        pass
    assert _reload(HistoryBuffer([0.5], [1])).statistics('mean') == 0.5


# refuse_pickles


class _Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@weights_only
def test_no_file_is_loaded_as_a_pickle_after_all(tmp_path):
    """Without it `load_from` of a stranger's file could run its code."""
    path, mark = tmp_path / 'file.pth', tmp_path / 'mark'
    torch.save(dict(state_dict={}, more=_Touch(mark)), path)
    with pytest.raises(Exception, match='could run code|weights_only|Weights'):
        load_checkpoint(torch.nn.Linear(1, 1), str(path))
    assert not mark.exists()


@weights_only
def test_a_second_try_is_taken_back():
    """The same for onedl-mmengine's loader where it is not installed."""

    def load(file, map_location=None, weights_only=None):
        if weights_only is None:
            return 'ran what the file holds'
        raise UnpicklingError('refused')

    module = types.SimpleNamespace(_safe_torch_load=load)
    mmengine.refuse_pickles(module)
    with pytest.raises(ValueError, match='file.pth holds objects that could'):
        module._safe_torch_load('file.pth')


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


def test_an_older_torch_is_left_alone(monkeypatch):
    added = []
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    monkeypatch.setattr(
        torch.serialization, 'add_safe_globals', added.append, raising=False
    )
    mmengine.allow_resume()
    assert not added


@weights_only
def test_who_allows_more_keeps_it(monkeypatch):
    added = []
    monkeypatch.setattr(
        torch.serialization, 'get_safe_globals', lambda: [getattr]
    )
    monkeypatch.setattr(
        torch.serialization, 'add_safe_globals', added.extend
    )
    mmengine.allow_resume()
    assert added
    assert mmengine._stored_method not in {
        item[0] for item in added if isinstance(item, tuple)
    }


def test_an_inherited_loader_stacks_its_batches():
    """Without it no training would start whose stock configuration was
    inherited by name, as the README does."""
    from mmengine.runner import Runner
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            dataset=[torch.zeros(3), torch.ones(3)],
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate', _scope_='mmselfsup')))
    batch, = loader
    assert batch.tolist() == [[0] * 3, [1] * 3]


SCHEDULERS = [
    dict(type='OneCycleLR', eta_max=0.5, total_steps=8),
    dict(type='OneCycleLR', eta_max=0.5, total_steps=8,
         anneal_strategy='linear'),
    dict(type='OneCycleParamScheduler', param_name='lr', eta_max=0.5,
         total_steps=8),
    dict(type='ConstantLR'),
    dict(type='CosineAnnealingLR', T_max=8),
    dict(type='CosineRestartLR', periods=[4, 4], restart_weights=[1, 1],
         eta_min=0),
    dict(type='ExponentialLR', gamma=0.5),
    dict(type='LinearLR'),
    dict(type='MultiStepLR', milestones=[2, 5]),
    dict(type='PolyLR'),
    dict(type='StepLR', step_size=2),
]


@pytest.mark.parametrize(
    'config', SCHEDULERS,
    ids=lambda c: c['type'] + c.get('anneal_strategy', ''))
def test_every_scheduler_resumes(config):
    """Without it a run with OneCycleLR is refused: its class is not safe."""
    def build():
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        return optimizer, PARAM_SCHEDULERS.build(
            dict(config, optimizer=optimizer))

    rates = []
    optimizer, scheduler = build()
    for step in range(6):
        if step == 3:
            saved = _reload([scheduler.state_dict(), optimizer.state_dict()])
            optimizer, scheduler = build()
            scheduler.load_state_dict(saved[0])
            optimizer.load_state_dict(saved[1])
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]['lr'])
    optimizer, scheduler = build()
    for rate in rates:
        optimizer.step()
        scheduler.step()
        assert optimizer.param_groups[0]['lr'] == rate

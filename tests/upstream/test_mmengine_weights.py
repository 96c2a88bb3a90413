"""What mmengine builds of a file of weights: its own log, and no code."""
import io
import subprocess
import tempfile
import types
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import (
    CheckpointLoader,
    Runner,
    checkpoint,
    load_checkpoint,
)
from mmengine.utils import digit_version

from interclr_plugin.upstream import mmengine_weights

OLD_TORCH = digit_version(torch.__version__) < digit_version('2.6.0')
weights_only = pytest.mark.skipif(
    OLD_TORCH, reason='this torch does not load with weights_only by itself'
)


@pytest.fixture
def old_torch(monkeypatch):
    """What torch below 2.6 is given; a newer one plays it."""
    class Loader(CheckpointLoader):
        pass

    monkeypatch.setattr(torch, '__version__', '2.1.2+cpu')
    mmengine_weights.refuse_pickles(
        types.SimpleNamespace(CheckpointLoader=Loader))
    monkeypatch.setattr(checkpoint, 'CheckpointLoader', Loader)


@pytest.fixture(params=['this torch', 'an older one'])
def each_torch(request):
    if request.param == 'an older one':
        request.getfixturevalue('old_torch')


# allow_resume


class _Model(BaseModel):

    def __init__(self, **options):
        super().__init__(**options)
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


def test_a_run_resumes(tmp_path, each_torch):
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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'file.pth')
        path.write_bytes(file.getvalue().replace(*replace))
        return checkpoint.CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize('values', [[0.5, 1.5], [1, 2]], ids=['float', 'int'])
@pytest.mark.parametrize(
    'written', [b'numpy.core.multiarray', b'numpy._core.multiarray']
)
def test_a_buffer_of_either_numpy_is_loaded(values, written, each_torch):
    here = np.empty(0).__reduce__()[0].__module__.encode()
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


@pytest.mark.parametrize(
    'args', [(HistoryBuffer, '__init__'), (np.ndarray, 'tofile')], ids=str
)
def test_weights_only_stays_on(args, each_torch):
    with pytest.raises(Exception, match='attribute|allowed|could run code'):
        _reload(_Getattr(*args))
    with pytest.raises(
            Exception, match='allowed|unsupported GLOBAL|could run code'):
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


def from_load_from(path):
    load_checkpoint(torch.nn.Linear(1, 1), path)


def from_init_cfg(path, **options):
    model = _Model(
        init_cfg=dict(type='Pretrained', checkpoint=path, **options))
    model.init_weights()
    return model


def from_init_cfg_s_prefix(path):
    from_init_cfg(path, prefix='layer.')


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize(
    'way', [from_load_from, from_init_cfg, from_init_cfg_s_prefix])
def test_no_file_is_loaded_as_a_pickle_after_all(way, zipped, tmp_path,
                                                 each_torch):
    """Without it `load_from` or `init_cfg` of a stranger's file could run its
    code; torch below 2.6 does, unless it is told which names are allowed."""
    path, mark = tmp_path / 'file.pth', tmp_path / 'mark'
    for more in (_Touch(mark), _Getattr(HistoryBuffer, '__init__'),
                 subprocess.run):
        torch.save(
            dict(state_dict=_Model().state_dict(), more=more),
            path,
            _use_new_zipfile_serialization=zipped)
        with pytest.raises(
                Exception, match='could run code|weights_only|Weights'):
            way(str(path))
        assert not mark.exists()


def test_weights_alone_are_loaded(tmp_path, each_torch):
    """Without it every file would be refused, and the test above passes."""
    saved, path = _Model(), tmp_path / 'file.pth'
    torch.save(dict(state_dict=saved.state_dict(), more=1), path)
    assert torch.equal(
        from_init_cfg(str(path)).layer.weight, saved.layer.weight)


@weights_only
def test_a_second_try_is_taken_back():
    """The same for onedl-mmengine's loader where it is not installed."""

    def load(file, map_location=None, weights_only=None):
        if weights_only is None:
            return 'ran what the file holds'
        raise UnpicklingError('refused')

    module = types.SimpleNamespace(_safe_torch_load=load)
    mmengine_weights.refuse_pickles(module)
    with pytest.raises(ValueError, match='file.pth holds objects that could'):
        module._safe_torch_load('file.pth')


def test_an_older_torch_is_left_alone(monkeypatch):
    added = []
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    monkeypatch.setattr(
        torch.serialization, 'add_safe_globals', added.append, raising=False
    )
    mmengine_weights.allow_resume()
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
    mmengine_weights.allow_resume()
    assert added
    assert mmengine_weights._stored_method not in {
        item[0] for item in added if isinstance(item, tuple)
    }


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
def test_every_scheduler_resumes(config, each_torch):
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

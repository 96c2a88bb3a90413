"""The mends of compat.py (the hue: test_compat_hue.py) and their hook."""
import importlib.util
import io
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmengine.utils import digit_version

from interclr_plugin import compat, startup

ROOT = Path(__file__).resolve().parents[1]
OLD_TORCH = digit_version(torch.__version__) < digit_version('2.6.0')
weights_only = pytest.mark.skipif(
    OLD_TORCH, reason='this torch does not load with weights_only by itself'
)


def run_python(code, cwd):
    """Run code in a new process that finds this tree's package."""
    # Without what an installed plugin does when Python starts.
    code = (
        'import sys\n'
        'sys.meta_path[:] = [finder for finder in sys.meta_path\n'
        '    if type(finder).__name__ != "_AfterImport"]\n'
    ) + code
    run = subprocess.run(
        [sys.executable, '-c', code],
        cwd=str(cwd),
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


# The hook behind the mends that must wait.


@pytest.fixture
def module_of_one_line(tmp_path, monkeypatch):
    """A module that can be imported, with a name of its own."""
    name = f'interclr_test_{tmp_path.name}'.replace('-', '_')
    (tmp_path / f'{name}.py').write_text('count = 1\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    yield name
    sys.modules.pop(name, None)
    sys.meta_path[:] = finders


def test_every_action_runs_once_and_after_the_import(module_of_one_line):
    name, seen = module_of_one_line, []
    before = len(sys.meta_path)
    startup.after_import(name, lambda module: seen.append(module.count))
    startup.after_import(name, lambda module: seen.append(-module.count))
    assert importlib.util.find_spec(name) is not None
    assert seen == [], 'looking a module up is no import'
    module = importlib.import_module(name)
    assert sorted(seen) == [-1, 1]
    assert len(sys.meta_path) == before, 'the hooks stay no longer than needed'
    importlib.reload(module)
    assert sorted(seen) == [-1, 1]


def test_an_action_runs_at_once_on_what_is_imported():
    seen = []
    startup.after_import('sys', seen.append)
    assert seen == [sys]


def test_a_missing_module_is_still_missing(module_of_one_line):
    startup.after_import('interclr_test_missing', print)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('interclr_test_missing')


# find_own_configs


def test_configs_are_found_from_a_source_tree(tmp_path):
    (tmp_path / 'child.py').write_text(
        "_base_ = 'interclr_plugin::mmselfsup/"
        "moco_resnet18_1xb64-coslr-50e_digits.py'\n"
    )
    run_python(
        """
import interclr_plugin
from mmengine.config import Config
print(Config.fromfile('child.py').model.type)
""",
        tmp_path,
    )


def test_another_mmengine_is_left_alone():
    config = types.SimpleNamespace(Config=types.SimpleNamespace())
    startup.teach_mmengine(config)
    assert not vars(config.Config)


# mend_mmselfsup_locations


@pytest.mark.parametrize('first', ['interclr_plugin', 'mmselfsup.registry'])
def test_mmselfsup_finds_its_runner_and_loops(first, tmp_path):
    pytest.importorskip('mmselfsup')
    run_python(
        f"""
import importlib
importlib.import_module({first!r})
import interclr_plugin
import mmselfsup.registry as registry
for name in registry.__all__:
    for location in getattr(registry, name)._locations:
        importlib.import_module(location)
assert registry.LOOPS.get('EpochBasedTrainLoop') is not None
assert registry.RUNNERS.get('Runner') is not None
""",
        tmp_path,
    )


def test_right_locations_stay():
    right = Registry(
        'right', scope='mmselfsup', locations=['interclr_plugin.hooks']
    )
    wrong = Registry(
        'wrong', scope='mmselfsup', locations=['interclr_plugin.hooks.no.one']
    )
    other = Registry('other', scope='other', locations=['interclr_plugin.no'])
    compat._replace_missing_locations(
        types.SimpleNamespace(right=right, wrong=wrong, other=other)
    )
    assert right._locations == ['interclr_plugin.hooks']
    assert wrong._locations == ['interclr_plugin.hooks']
    assert other._locations == ['interclr_plugin.no']


def test_no_library_is_imported_that_is_not_used(tmp_path):
    run_python(
        """
import interclr_plugin
libraries = {'mmselfsup', 'mmpretrain', 'mmcls', 'sklearn'}
assert not libraries & set(sys.modules), libraries & set(sys.modules)
""",
        tmp_path,
    )


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


def test_an_older_torch_is_left_alone(monkeypatch):
    added = []
    monkeypatch.setattr(compat.torch, '__version__', '2.5.1+cpu')
    monkeypatch.setattr(
        torch.serialization, 'add_safe_globals', added.append, raising=False
    )
    compat.allow_resume()
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
    compat.allow_resume()
    assert added
    assert compat._statistic not in {
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

"""Where the registries of mmselfsup look."""
import types

import pytest
from fresh_process import run_python
from mmengine.registry import Registry

from interclr_plugin.upstream import mmselfsup


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
    mmselfsup.mend_locations(
        types.SimpleNamespace(right=right, wrong=wrong, other=other)
    )
    assert right._locations == ['interclr_plugin.hooks']
    assert wrong._locations == ['interclr_plugin.hooks']
    assert other._locations == ['interclr_plugin.no']

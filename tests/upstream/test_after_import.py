"""Mends that must wait for the import of what they mend."""
import importlib.util
import sys

import pytest
from fresh_process import run_python

from interclr_plugin.upstream.after_import import after_import


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
    after_import(name, lambda module: seen.append(module.count))
    after_import(name, lambda module: seen.append(-module.count))
    assert importlib.util.find_spec(name) is not None
    assert seen == [], 'looking a module up is no import'
    module = importlib.import_module(name)
    assert sorted(seen) == [-1, 1]
    assert len(sys.meta_path) == before, 'the hooks stay no longer than needed'
    importlib.reload(module)
    assert sorted(seen) == [-1, 1]


def test_an_action_runs_at_once_on_what_is_imported():
    seen = []
    after_import('sys', seen.append)
    assert seen == [sys]


def test_a_missing_module_is_still_missing(module_of_one_line):
    after_import('interclr_test_missing', print)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('interclr_test_missing')


def test_no_library_is_imported_that_is_not_used(tmp_path):
    run_python(
        """
import interclr_plugin
libraries = {'mmselfsup', 'mmpretrain', 'mmcls', 'sklearn'}
assert not libraries & set(sys.modules), libraries & set(sys.modules)
""",
        tmp_path,
    )

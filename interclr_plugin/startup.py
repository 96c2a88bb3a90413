"""Lets a configuration inherit from ``interclr_plugin::...``.

mmengine looks other packages' configurations up in a fixed table, and parses
a configuration before it imports what that names. So setup.py also installs
this file's text as a ``.pth`` file, which Python runs when it starts. Hence
only the standard library here, and no import of the package.
"""
import sys


def after_import(name, action):
    """Call ``action`` with module ``name``: now, or right after its import."""
    if name in sys.modules:
        action(sys.modules[name])
    else:
        sys.meta_path.insert(0, _AfterImport(name, action))


class _AfterImport:

    def __init__(self, name, action):
        self.name, self.action = name, action

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1:]:
            find = getattr(finder, 'find_spec', None)
            spec = find and find(name, path, target)
            if spec and spec.loader:
                spec.loader.exec_module = self.after(spec.loader.exec_module)
                return spec

    def after(self, execute):
        def exec_module(module):
            execute(module)
            if self in sys.meta_path:  # The first import, not a reload.
                sys.meta_path.remove(self)
                self.action(module)

        return exec_module


def teach_mmengine(config):
    """Add this package to the table that ``mmengine.config.config`` uses."""
    try:
        table = sys.modules['mmengine.config.utils'].MODULE2PACKAGE
        find = config.Config._get_cfg_path
    except (AttributeError, KeyError):
        return  # Another mmengine: leave it alone, every program runs this.
    if 'interclr_plugin' in table:
        return
    # A module's name: mmengine asks the import system for the folder of what
    # is no distribution, and only that knows where an editable install lies.
    table['interclr_plugin'] = 'interclr_plugin.version'

    def get_cfg_path(name, *args):
        path, scope = find(name, *args)
        # No library: what is inherited is built in the scope of the heir. So
        # are mmselfsup's benchmarks, which are models of mmcls, mmdetection
        # and mmsegmentation: in its own scope none of them is found.
        if scope == 'interclr_plugin' or name.startswith(
                'mmselfsup::benchmarks/'):
            scope = None
        return path, scope

    config.Config._get_cfg_path = staticmethod(get_cfg_path)


def main():
    """What the ``.pth`` file calls."""
    after_import('mmengine.config.config', teach_mmengine)

"""When a mend runs: as soon as the module that it changes is imported."""
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

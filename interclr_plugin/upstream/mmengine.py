"""What of mmengine is mended: configurations, files, inherited loaders."""
import difflib
import functools
import importlib.util
import os
import pkgutil
import sys
import types
from contextlib import contextmanager
from pathlib import Path


def find_own_configs(config):
    """Let a configuration inherit from ``interclr_plugin::...``.

    mmengine's table of packages is fixed (mmengine 0.10.7,
    ``config/utils.py``; mmengine 1410 asks for an open one, 1411 is it). The
    plugin has to be imported before such a configuration is read:
    :mod:`~interclr_plugin.upstream.tools` does that.
    """
    try:
        table = sys.modules['mmengine.config.utils'].MODULE2PACKAGE
        find = config.Config._get_cfg_path
    except (AttributeError, KeyError):
        return  # Another mmengine, with a table of another kind.
    if 'interclr_plugin' in table:
        return
    # A module's name: mmengine asks the import system for the folder of what
    # is no distribution, and only that knows where an editable install lies.
    table['interclr_plugin'] = 'interclr_plugin.version'

    def get_cfg_path(name, *args):
        try:
            path, scope = find(name, *args)
        except FileNotFoundError as error:
            raise FileNotFoundError(_meant(name) or str(error)) from error
        # No library: what is inherited is built in the scope of the heir. So
        # are mmselfsup's benchmarks, which are models of mmcls, mmdetection
        # and mmsegmentation: in its own scope none of them is found.
        if scope == 'interclr_plugin' or name.startswith(
                'mmselfsup::benchmarks/'):
            scope = None
        return path, scope

    config.Config._get_cfg_path = staticmethod(get_cfg_path)


def _meant(name):
    """Say which configuration of a package may be meant, if any."""
    package, _, wanted = name.partition('::')
    spec = importlib.util.find_spec(package)
    folder = Path(spec.submodule_search_locations[0], '.mim/configs')
    there = {
        path.relative_to(folder).as_posix(): path.name
        for path in folder.glob('**/*.py')
    }
    # The same file in another folder, or a name much like it.
    found = [path for path, file in there.items() if wanted.endswith(file)
             ] or difflib.get_close_matches(wanted, there, 1)
    return found and (f'{name} is not there. Did you mean '
                      f"_base_ = '{package}::{found[0]}'?")


def mend_inherited_collate(module):
    """Let a training start whose loader was inherited by a package's name.

    mmengine 0.10.7 marks what is inherited from ``mmselfsup::...`` or
    ``mmpretrain::...`` with its ``_scope_``, and ``Runner.build_dataloader``
    hands that mark to the function that stacks a batch as if it were an
    argument (no thread is known). Every stock pre-training names such a
    function.
    """
    stock = module.Runner.build_dataloader

    @functools.wraps(stock)
    def build_dataloader(dataloader, *args, **kwargs):
        if isinstance(dataloader, dict) and isinstance(
                dataloader.get('collate_fn'), dict):
            collate = dict(dataloader['collate_fn'])
            collate.pop('_scope_', None)
            dataloader = {**dataloader, 'collate_fn': collate}
        return stock(dataloader, *args, **kwargs)

    module.Runner.build_dataloader = staticmethod(build_dataloader)


def mend_sharded_resume(module):
    """Let a run with ``FSDPStrategy`` resume.

    mmengine 0.10.7 hands torch its arguments in the order that they had
    before torch 2.1 (no thread is known).
    """
    sharded = module.FullyShardedDataParallel

    def load_optim_state_dict(self, state_dict):
        wrapper = self.optim_wrapper
        wrapper.load_state_dict(
            sharded.optim_state_dict_to_load(
                model=self.model,
                optim=wrapper.optimizer,
                optim_state_dict=state_dict))

    module.FSDPStrategy.load_optim_state_dict = load_optim_state_dict


def write_whole_files(module):
    """Let a file be there whole, or not at all.

    mmengine 0.10.7 writes a checkpoint in place (no thread is known): a kill
    or a full disk leaves a part of it, over the one that was there. Local
    files are written beside the place, brought to the disk, and renamed;
    other backends stay as they are.
    """

    @functools.wraps(module.LocalBackend.put)
    def put(self, obj, filepath):
        with whole_file(filepath) as file:
            file.write(obj)

    module.LocalBackend.put = put


@contextmanager
def whole_file(filepath):
    """Write a local file beside its place, and put it there when it is whole.

    Args:
        filepath (str | Path): Its folder is made.

    Yields:
        BinaryIO: To be written.
    """
    place = os.path.realpath(str(filepath))  # a link stays a link
    os.makedirs(os.path.dirname(place), exist_ok=True)
    beside = f'{place}.tmp'
    try:
        with open(beside, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        if os.path.exists(beside):
            os.remove(beside)
        raise
    if os.name == 'posix':  # elsewhere no folder can be opened
        folder = os.open(os.path.dirname(place), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def mend_find_loader(module):
    """Let mmengine and mmcv look for mmcv's operators on Python 3.14.

    ``pkgutil.find_loader`` is gone there (mended in onedl-mmengine, not in
    mmengine 0.10.7).
    """
    if not hasattr(pkgutil, 'find_loader') and hasattr(module, 'pkgutil'):
        module.pkgutil = types.SimpleNamespace(
            find_loader=importlib.util.find_spec)

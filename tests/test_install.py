"""A fresh process of an environment in which the plugin was just installed.

The environments lie on top of the running one, so nothing is downloaded; what
is installed is a copy of the tree, so builds leave nothing behind in it.
"""
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from libraries import INSTALLED, needs_mmselfsup

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def run(*command, cwd):
    """Run a command; its output, also when it fails."""
    environment = dict(os.environ)
    environment.pop('PYTHONPATH', None)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=str(cwd),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class Installation:
    """An environment, the tree that is installed there, and how."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.elsewhere = folder / 'elsewhere'
        self.elsewhere.mkdir()
        self.tree = self._copy_of_the_tree(folder / 'tree')
        self.python = self._environment(folder / 'environment')
        if kind == 'sdist':
            run(self.python, 'setup.py', '-q', 'sdist', cwd=self.tree)
            archive, = (self.tree / 'dist').iterdir()
            what = [archive]
        else:
            what = ['-e', '.'] if kind == 'editable' else ['.']
        self.pip('install', '--no-deps', '--no-build-isolation', *what)

    def pip(self, *arguments):
        run(self.python, '-m', 'pip', *arguments, cwd=self.tree)

    def run(self, code):
        return run(self.python, '-c', code, cwd=self.elsewhere)

    def left_over(self):
        """Whatever site-packages holds of the plugin."""
        return sorted(path.name for path in self.site.glob('*interclr*'))

    @staticmethod
    def _copy_of_the_tree(tree):
        tree.mkdir()
        for name in ('setup.py', 'pyproject.toml', 'LICENSE'):
            shutil.copy(str(ROOT / name), str(tree))
        for name in ('interclr_plugin', 'configs'):
            shutil.copytree(
                str(ROOT / name),
                str(tree / name),
                symlinks=True,
                ignore=shutil.ignore_patterns('__pycache__'),
            )
        return tree

    def _environment(self, folder):
        venv.create(str(folder), with_pip=False)
        python = folder / 'bin/python'
        self.site = Path(
            run(
                python,
                '-c',
                'import sysconfig; print(sysconfig.get_path("purelib"))',
                cwd=folder,
            ).strip()
        )
        # Only the paths: what .pth files of the running environment do must
        # not happen, for they may be those of an installed plugin.
        outer = [path for path in sys.path if path.endswith('-packages')]
        (self.site / 'outer.pth').write_text('\n'.join(outer) + '\n')
        return python

    def link(self):
        """What requirements/setup.sh adds to an editable install."""
        (self.site / 'interclr_plugin').symlink_to(
            self.tree / 'interclr_plugin')


@pytest.fixture(scope='module', params=[
    'regular', 'editable', pytest.param('sdist', marks=pytest.mark.matrix)
])
def installation(request, tmp_path_factory):
    return Installation(
        request.param, tmp_path_factory.mktemp(request.param)
    )


CHILD = """
_base_ = 'interclr_plugin::{0}/{1}_resnet18_1xb64-coslr-50e_digits_{0}.py'
train_cfg = dict(max_epochs=3)
"""


def write_children(folder):
    for library in ('mmselfsup', 'mmpretrain'):
        for algorithm in ('moco', 'interclr-moco'):
            path = folder / f'{library}_{algorithm}.py'
            path.write_text(CHILD.format(library, algorithm))


def test_the_package_lies_where_it_should(installation):
    file = Path(
        installation.run(
            'import importlib.util\n'
            'print(importlib.util.find_spec("interclr_plugin").origin)'
        ).strip()
    )
    home = installation.site
    if installation.kind == 'editable':
        home = installation.tree
    assert file.resolve().parent.parent == home.resolve()
    assert (file.parent / '.mim/model-index.yml').is_file()
    assert (file.parent / '.mim/configs/metafile.yml').is_file()
    for name in ('page.html', 'page.css', 'page.images.html'):
        assert (file.parent / 'report' / name).is_file()
    for name in ('train.py', 'test.py'):
        assert (file.parent / '.mim/tools' / name).is_file()


def test_its_configurations_can_be_inherited(installation):
    write_children(installation.elsewhere)
    installation.run(
        """
import interclr_plugin
from mmengine.config import Config
for library in ('mmselfsup', 'mmpretrain'):
    config = Config.fromfile(f'{library}_moco.py')
    assert config.model.type == 'MoCo'
    assert config.train_cfg.max_epochs == 3
    assert config.default_scope == library
"""
    )


@needs_mmselfsup
def test_what_is_inherited_is_built_in_the_scope_of_the_heir(installation):
    write_children(installation.elsewhere)
    printed = installation.run(
        """
import interclr_plugin
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
for library in ('mmselfsup', 'mmpretrain'):
    config = Config.fromfile(f'{library}_interclr-moco.py')
    with DefaultScope.overwrite_default_scope(library):
        model = MODELS.build(config.model)
    print(type(model).__mro__)
"""
    )
    assert 'mmselfsup.models.algorithms.moco.MoCo' in printed
    assert 'mmpretrain.models.selfsup.moco.MoCo' in printed


def test_the_hub_knows_its_configurations(installation):
    name = 'mmpretrain/moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'
    installation.run(
        'import interclr_plugin\n'
        'from mmengine.hub import get_config\n'
        f'assert get_config("interclr_plugin::{name}").model.type == "MoCo"'
    )


def test_every_listed_configuration_is_there(installation):
    """And every configuration is listed."""
    installation.run(
        """
from importlib.util import find_spec
from pathlib import Path
import yaml
mim = Path(find_spec('interclr_plugin').origin).parent / '.mim'
metafile, = yaml.safe_load((mim / 'model-index.yml').read_text())['Import']
models = yaml.safe_load((mim / metafile).read_text())['Models']
listed = {str(mim / model['Config']) for model in models}
there = {
    str(path)
    for path in (mim / 'configs').glob('mm*/**/*.py')
    if path.parent.name != '_base_'
}
assert listed == there, listed ^ there
"""
    )


def test_an_edited_configuration_counts_at_once(installation):
    if installation.kind != 'editable':
        pytest.skip('of editable installs')
    name = 'moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'
    path = installation.tree / 'configs/mmselfsup' / name
    stock = path.read_text()
    write_children(installation.elsewhere)
    try:
        path.write_text(f"{stock}\nedited = 'yes'\n")
        printed = installation.run(
            'import interclr_plugin\n'
            'from mmengine.config import Config\n'
            'print(Config.fromfile("mmselfsup_moco.py").edited)'
        )
    finally:
        path.write_text(stock)
    assert printed.split()[-1] == 'yes'


def test_python_starts_as_without_it(installation):
    """Without it every Python program of an environment could run our code,
    or take longer to start."""
    names = "{'interclr_plugin', 'mmengine', 'torch', 'importlib.util'}"
    code = f'import sys; print({names} & set(sys.modules))'
    assert installation.run(code).strip() == 'set()'
    lines = [
        line for path in installation.site.glob('*.pth')
        for line in path.read_text().splitlines()
    ]
    assert not [line for line in lines if line.startswith('import')]


NAME = 'interclr-moco_resnet18_1xb64-coslr-50e_digits_{}.py'


@pytest.mark.skipif(
    'mmselfsup' not in INSTALLED,
    reason='onedl-mim does not find the package: docs/install.md')
@pytest.mark.parametrize('library, named', [
    ('mmpretrain', 'by name'),
    ('mmselfsup', 'inherited'),
    pytest.param('mmpretrain', 'inherited', marks=pytest.mark.matrix),
    pytest.param('mmselfsup', 'by name', marks=pytest.mark.matrix),
])
def test_mim_trains_it(installation, library, named):
    """Without it a configuration of ours could be found or inherited by those
    alone who know where its file lies."""
    if installation.kind == 'editable' and not (
            installation.site / 'interclr_plugin').exists():
        installation.link()
    config = NAME.format(library)
    if named == 'inherited':
        path = installation.elsewhere / 'mine.py'
        path.write_text(f"_base_ = 'interclr_plugin::{library}/{config}'\n")
        config = path.name
    work_dir = installation.elsewhere / f'{library} {named}'
    said = run(
        installation.python, '-m', 'mim', 'train', 'interclr_plugin', config,
        '--gpus', '0', '--work-dir', work_dir, '--cfg-options',
        'train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=128',
        'model.inter_image.sampler.num_negatives=16',
        'model.inter_image.num_clusters=6',
        cwd=installation.elsewhere)
    assert (work_dir / 'epoch_1.pth').is_file(), said


@pytest.mark.parametrize('kind', ['regular', 'editable'])
def test_nothing_is_left_after_uninstalling(kind, tmp_path):
    """Without it an environment could keep a part of what was removed."""
    gone = Installation(kind, tmp_path)
    assert gone.left_over()
    gone.pip('uninstall', '-y', 'interclr-plugin')
    assert gone.left_over() == []
    assert not (gone.python.parent / 'interclr').exists()

"""`make setup` where it cannot go on: what it found, and what to do."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def interpreter(path, version, venv=True):
    """Write what answers as a Python of some version does."""
    path.write_text(f'#!/bin/sh\necho "{version} {"yes" if venv else "no"}"\n')
    path.chmod(0o755)
    return path


def setup(folder, stack='modern', **environment):
    (folder / 'bin').mkdir(exist_ok=True)
    for tool in ('cat', 'rm', 'mkdir', 'tail'):
        link = folder / 'bin' / tool
        if not link.exists():
            link.symlink_to(shutil.which(tool))
    done = subprocess.run(
        ['/bin/sh', 'requirements/setup.sh', stack,
         str(folder / 'environment')],
        cwd=ROOT,
        env=dict(environment, PATH=str(folder / 'bin')),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)
    return done.returncode, done.stdout


def test_no_python(tmp_path):
    """Without it the error would not say what to install."""
    code, said = setup(tmp_path)
    assert code == 1
    assert 'Found: none.' in said
    assert 'sudo apt install python3 python3-venv' in said


@pytest.mark.parametrize('stack, version, allowed', [
    ('modern', '3.9.18', '3.10 to 3.14'),
    ('onedl', '3.15.0', '3.10 to 3.14'),
    ('classic', '3.12.1', '3.8 to 3.11'),
    ('modern', '2.7.18', '3.10 to 3.14'),
])
def test_another_version_is_named(tmp_path, stack, version, allowed):
    """Without it PYTHON=... could be passed over without a word."""
    mine = interpreter(tmp_path / 'mine', version)
    code, said = setup(tmp_path, stack, PYTHON=str(mine))
    assert code == 1
    assert f'need Python {allowed}' in said
    assert f'{mine} is {version}' in said


def test_a_python_without_venv_is_named(tmp_path):
    """Without it Debian's first Python would fail with a hint of pip's."""
    (tmp_path / 'bin').mkdir()
    interpreter(tmp_path / 'bin/python3', '3.13.5', venv=False)
    code, said = setup(tmp_path)
    assert code == 1
    assert 'python3 is 3.13.5 without venv' in said


def test_a_failed_step_is_named(tmp_path):
    """Without it a failed set-up would end in pages of pip's output."""
    version = '3.{}.{}'.format(*sys.version_info[1:3])
    path = interpreter(tmp_path / 'mine', version)
    path.write_text(path.read_text() + 'test "$1" = -c || {\n'
                    'echo "no space left" >&2; exit 3; }\n')
    stack = 'classic' if sys.version_info < (3, 10) else 'modern'
    code, said = setup(tmp_path, stack, PYTHON=str(path))
    assert code == 1
    assert 'set-up failed at: making the environment' in said
    assert 'no space left' in said
    assert not os.path.exists(str(tmp_path / 'environment/.ready'))

"""A folder of anything, from its check to the end of a training on it."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bad_files import pixels, write_bad, write_good
from doc_pages import ROOT
from libraries import FIRST, INSTALLED
from PIL import Image

from interclr_plugin.__main__ import main
from interclr_plugin.datasets.image_files import shown

NARROW = ('model.backbone.stem_channels=4', 'model.backbone.base_channels=4',
          'model.neck.in_channels=32', 'model.neck.hid_channels=16')


def mim(library, config, *options):
    """What a user types, on the CPU."""
    folder = os.path.dirname(sys.executable)
    return dict(
        args=[
            os.path.join(folder, 'mim'), 'train', library, str(config),
            '--work-dir', str(config.parent / 'run'), '--gpus', '0',
            '--cfg-options', *NARROW, *options
        ],
        env=dict(
            os.environ,
            PYTHONPATH=str(ROOT),
            PATH=os.pathsep.join([folder, os.environ['PATH']])),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace')


def break_some(folder, names):
    """Do to files in use what may happen to them."""
    broken = []
    for number, name in enumerate(names[5::max(1, len(names) // 20)]):
        path = Path(folder, name)
        content = path.read_bytes()
        if number % 4 == 0:
            path.unlink()
        elif number % 4 == 1:
            path.write_bytes(b'')
        elif number % 4 == 2:
            path.write_bytes(b'not what it was')
        else:  # another image, which is no fault
            path.write_bytes(content[:0])
            Image.fromarray(pixels(np.random.default_rng(0))).save(
                path, format='png')
            continue
        broken.append(str(path))
    return broken


@pytest.mark.slow
@pytest.mark.parametrize('library', [
    FIRST, *(pytest.param(library, marks=pytest.mark.matrix)
             for library in INSTALLED[1:])])
@pytest.mark.parametrize('count', [
    150, pytest.param(10_000, marks=pytest.mark.matrix)])
def test_nothing_in_a_folder_ends_a_training_unnamed(count, library, tmp_path,
                                                     capsys):
    """Without it a file could end a training without its name, or without a
    word on what to do."""
    folder, out = str(tmp_path / 'images'), tmp_path / 'out'
    copies = count // 100
    expected = {}
    for copy in range(copies):
        expected.update(write_bad(folder, f'bad{copy}'))
    names = write_good(folder, count - len(expected))
    main(['init', folder, '--library', library, '--out', str(out), '--size',
          '32', '--epochs', '2', '--max-pixels', '100000'])
    assert f'{len(names):,} images to train on' in capsys.readouterr().out
    listed = dict(
        line.split('\t')
        for line in (out / 'unusable.txt').read_text().splitlines())
    assert set(listed) == {name.replace('\n', '\\n') for name in expected}
    for name, words in expected.items():
        assert words in listed[name.replace('\n', '\\n')]
    said, broken = [], []
    with subprocess.Popen(**mim(library, out / 'pretrain.py')) as run:
        for line in run.stdout:
            said.append(line)
            if 'Checkpoints will be saved' in line:
                broken = break_some(folder, names)
    said = ''.join(said)
    assert run.returncode == 0, said[-3000:]
    assert (out / 'run/epoch_2.pth').exists()
    named = [path for path in broken if shown(path) in said]
    # An epoch leaves out what fills no batch.
    assert len(broken) > 10 and len(named) > len(broken) / 2
    # Without skip_bad the first of them ends the run, by its name.
    strict = 'train_dataloader.dataset.skip_bad=False'
    result = subprocess.run(**mim(library, out / 'pretrain.py', strict))
    assert result.returncode != 0
    last = [line for line in result.stdout.splitlines()
            if line.startswith('ValueError: The image ')][-1]
    assert any(shown(path) in last for path in broken)
    assert 'cannot be used' in last and 'skip_bad=True' in last

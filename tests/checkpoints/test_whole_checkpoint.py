"""Which file a resume takes, and which it refuses."""
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from libraries import FIRST
from mmengine.fileio import FileClient, LocalBackend, io
from mmengine.fileio.backends import registry_utils
from small_run import runner_of, small_config

from interclr_plugin.checkpoints.whole_checkpoint import is_whole

EPOCHS = 2


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run of two epochs, whose two files are copied for each test."""
    folder = tmp_path_factory.mktemp('trained')
    runner_of(small_config(FIRST, folder, epochs=EPOCHS)).train()
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        shutil.copy(trained / name, tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    return tmp_path


def resume(folder, **checkpoint):
    """Go on for an epoch; give what the log says of the file."""
    config = small_config(FIRST, folder, epochs=EPOCHS + 1)
    config.resume = True
    config.default_hooks.checkpoint.update(checkpoint)
    runner = runner_of(config)
    try:
        runner.train()
    finally:
        text = '\n'.join(
            path.read_text() for path in sorted(folder.glob('*/*.log')))
    assert runner.epoch == EPOCHS + 1
    return [line for line in text.splitlines() if 'resum' in line]


def zero_out(path, size=4096):
    """Write zeros into the middle of the largest tensor."""
    with zipfile.ZipFile(path) as archive:
        entry = max((entry for entry in archive.infolist()
                     if '/data/' in entry.filename),
                    key=lambda entry: entry.file_size)
    assert entry.file_size > 2 * size
    with open(path, 'r+b') as file:
        file.seek(entry.header_offset + entry.file_size // 2)
        file.write(bytes(size))


def test_zeros_inside_a_tensor_are_noticed(folder):
    """Without it a block that a disk lost would be trained on, in silence;
    torch.load reads no checksum."""
    damaged = folder / 'epoch_2.pth'
    assert is_whole(damaged)
    zero_out(damaged)
    torch.load(damaged, weights_only=False)
    assert not is_whole(damaged)
    said = resume(folder)
    assert any('epoch_2.pth is not a whole checkpoint; resuming from' in line
               and 'epoch_1.pth' in line for line in said)


def test_a_whole_file_that_nothing_names(folder):
    """Without it a run killed between its first file and the note of it
    would start anew beside that file."""
    os.remove(folder / 'last_checkpoint')
    said = resume(folder)
    assert any('names no last checkpoint; resuming from' in line
               and 'epoch_2.pth' in line for line in said)


def test_files_in_another_folder_under_other_names(folder, tmp_path):
    """Without it a user with files elsewhere is told to start anew beside a
    whole one."""
    other = tmp_path / 'other' / tmp_path.name
    other.mkdir(parents=True)
    for epoch in (1, 2):
        (folder / f'epoch_{epoch}.pth').rename(other / f'net-{epoch:03}.pth')
    zero_out(other / 'net-002.pth')
    (folder / 'last_checkpoint').write_text(str(other / 'net-002.pth'))
    said = resume(
        folder, out_dir=str(other.parent), filename_tmpl='net-{:03d}.pth')
    assert any(f'resuming from {other}/net-001.pth' in line for line in said)


class Remote(LocalBackend):
    """Files of a server, which are no paths here."""
    root = ''

    def _here(self, path):
        return str(path).replace('s3://', f'{self.root}/')

    def get(self, filepath):
        return super().get(self._here(filepath))

    def put(self, obj, filepath):
        super().put(obj, self._here(filepath))

    def isfile(self, filepath):
        return super().isfile(self._here(filepath))

    def isdir(self, filepath):
        return super().isdir(self._here(filepath))

    def get_local_path(self, filepath):
        return super().get_local_path(self._here(filepath))

    def join_path(self, filepath, *filepaths):
        return '/'.join([str(filepath).rstrip('/'), *filepaths])

    def list_dir_or_file(self, dir_path, *args, **kwargs):
        return super().list_dir_or_file(self._here(dir_path), *args, **kwargs)


def test_files_on_a_server(folder, tmp_path, monkeypatch):
    """Without it a resume from a server's folder is refused, whole file or
    not: its paths are no files here."""
    server = tmp_path / 'server' / 'runs' / folder.name
    server.mkdir(parents=True)
    for epoch in (1, 2):
        (folder / f'epoch_{epoch}.pth').rename(server / f'epoch_{epoch}.pth')
    Remote.root = str(tmp_path / 'server')
    last = f's3://runs/{folder.name}/epoch_2.pth'
    (folder / 'last_checkpoint').write_text(last)
    # Both of mmengine's ways to find who serves s3://.
    for table in (FileClient._prefix_to_backends,
                  registry_utils.prefix_to_backends):
        monkeypatch.setitem(table, 's3', Remote)
    monkeypatch.setitem(registry_utils.backends, 'petrel', Remote)
    monkeypatch.setattr(io, 'backend_instances', {})
    monkeypatch.setattr(FileClient, '_instances', {})
    said = resume(folder, out_dir='s3://runs')
    assert not any('not a whole' in line for line in said)
    assert any(f'latest checkpoint {last}' in line for line in said)
    zero_out(server / 'epoch_3.pth')
    (server / 'epoch_2.pth').write_bytes(b'PK')
    said = resume(folder, out_dir='s3://runs')
    first = last.replace('_2', '_1')
    assert any(f'resuming from {first}' in line for line in said)


@pytest.mark.parametrize('part', ['inter_image.', 'backbone.layer2.'])
def test_a_file_without_a_part_of_the_model(folder, part):
    """Without it mmengine warns, and goes on with random weights; a bank of
    a half-trained network would be made anew."""
    path = folder / 'epoch_2.pth'
    checkpoint = torch.load(path, weights_only=False)
    kept = {
        name: value for name, value in checkpoint['state_dict'].items()
        if not name.startswith(part)
    }
    assert len(kept) < len(checkpoint['state_dict'])
    torch.save({**checkpoint, 'state_dict': kept}, path)
    with pytest.raises(ValueError, match=f"such as \\['{part}"):
        resume(folder)
    text = '\n'.join(path.read_text() for path in folder.glob('*/*.log'))
    assert re.search('ERROR .*Cannot resume: the checkpoint lacks', text)


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    """Without it a failed write would leave a part of a file over the one
    that was there."""
    backend, path = LocalBackend(), tmp_path / 'new' / 'file.pth'
    backend.put(b'first', path)

    with pytest.raises(TypeError):
        backend.put(object(), path)
    assert path.read_bytes() == b'first'
    assert [child.name for child in path.parent.iterdir()] == ['file.pth']


def test_a_link_stays_a_link(tmp_path):
    """Without it a user's link to a large disk would become a file here."""
    target, link = tmp_path / 'target.pth', tmp_path / 'link.pth'
    target.write_bytes(b'old')
    link.symlink_to(target)
    LocalBackend().put(b'new', link)
    assert link.is_symlink() and Path(target).read_bytes() == b'new'

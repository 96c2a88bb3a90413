"""Files that commands write, and files that are not to be trusted."""
import pickle
import subprocess
import sys

import pytest
import torch


def command(*words):
    start = [sys.executable, '-m', 'interclr_plugin']
    return subprocess.run([*start, *map(str, words)],
                          capture_output=True,
                          text=True)


@pytest.mark.slow
def test_nothing_is_written_over(tmp_path):
    """Without it a slip could destroy a checkpoint."""
    source, target = tmp_path / 'a.pth', tmp_path / 'b.pth'
    torch.save(dict(state_dict={'backbone.w': torch.ones(2)}), source)
    target.write_text('precious')
    result = command('publish', source, target)
    assert result.returncode != 0 and 'b.pth is there already' in result.stderr
    assert target.read_text() == 'precious'
    target.unlink()
    result = command('publish', source, target)
    assert result.returncode == 0 and 'SHA-256' in result.stdout


class Malicious:
    """Runs code when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return exec, (f'open({str(self.mark)!r}, "w").close()', )


@pytest.fixture(
    params=['zip', pytest.param('pickle', marks=pytest.mark.matrix)])
def malicious(request, tmp_path):
    path, mark = tmp_path / 'bad.pth', tmp_path / 'was_run'
    content = dict(
        state_dict={'backbone.w': torch.ones(2)}, extra=Malicious(mark))
    if request.param == 'zip':
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    return path, mark


@pytest.mark.slow
def test_no_command_runs_what_a_file_says(malicious, tmp_path):
    """Without it a downloaded checkpoint could run code on a user's
    machine."""
    path, mark = malicious
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'interclr_plugin::mmselfsup/"
                      "moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'")
    # A work directory, for the report.
    path.rename(tmp_path / 'epoch_1.pth')
    path = tmp_path / 'epoch_1.pth'
    for arguments in (['publish', path, tmp_path / 'published.pth'],
                      ['convert', path, tmp_path / 'converted.pth'],
                      ['evaluate', config, path], ['report', tmp_path]):
        said = command(*arguments).stderr
        assert not mark.exists(), arguments
        # It came as far as the file.
        assert 'usage' not in said and 'error' in said, arguments
    # The control: the file does what it says when it is trusted.
    try:
        torch.load(path, weights_only=False)
    except Exception:
        pickle.loads(path.read_bytes())
    assert mark.exists()


@pytest.mark.slow
@pytest.mark.parametrize('content', [b'', b'hello'])
def test_a_foreign_file_is_named(content, tmp_path):
    """Without it torch's error would name no file."""
    path = tmp_path / 'foreign.pth'
    path.write_bytes(content)
    result = command('publish', path, tmp_path / 'out.pth')
    assert result.returncode != 0
    assert 'foreign.pth' in result.stderr
    assert 'Traceback' not in result.stderr

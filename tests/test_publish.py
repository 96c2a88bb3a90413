"""Small files to hand on, and files that are not to be trusted."""
import pickle
import subprocess
import sys

import pytest
import torch
from small_run import build_model, runner_of, small_config

from interclr_plugin.publish import publish


@pytest.fixture
def scope(one_scope):
    return one_scope


@pytest.fixture
def checkpoint(scope, tmp_path):
    runner_of(small_config(scope, tmp_path)).train()
    return tmp_path / 'epoch_1.pth'


def test_what_is_published_loads_as_the_stock_model(scope, checkpoint,
                                                    tmp_path):
    """Without it the small file could lack a weight, or carry the bank."""
    target = tmp_path / 'published.pth'
    publish(str(checkpoint), str(target))
    assert target.stat().st_size < checkpoint.stat().st_size / 1.5
    weights = torch.load(target, weights_only=True)['state_dict']
    stock = build_model(small_config(scope, tmp_path, 'moco'), scope)
    result = stock.load_state_dict(weights)
    assert not result.missing_keys and not result.unexpected_keys


def test_the_backbone_alone(scope, checkpoint, tmp_path):
    """Without it the backbone's names would not be those it is built with."""
    target = tmp_path / 'backbone.pth'
    publish(str(checkpoint), str(target), backbone=True)
    weights = torch.load(target, weights_only=True)['state_dict']
    stock = build_model(small_config(scope, tmp_path, 'moco'), scope)
    stock.backbone.load_state_dict(weights)
    whole = torch.load(checkpoint, weights_only=False)['state_dict']
    assert torch.equal(weights['conv1.weight'], whole['backbone.conv1.weight'])


def command(*arguments, module='publish'):
    start = [sys.executable, '-m', f'interclr_plugin.{module}']
    return subprocess.run([*start, *map(str, arguments)],
                          capture_output=True,
                          text=True)


@pytest.mark.slow
def test_nothing_is_written_over(tmp_path):
    """Without it a slip could destroy a checkpoint."""
    source, target = tmp_path / 'a.pth', tmp_path / 'b.pth'
    torch.save(dict(state_dict={'backbone.w': torch.ones(2)}), source)
    target.write_text('precious')
    result = command(source, target)
    assert result.returncode != 0 and 'b.pth is there already' in result.stderr
    assert target.read_text() == 'precious'
    target.unlink()
    result = command(source, target)
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
                      "moco_resnet18_1xb64-coslr-50e_digits.py'")
    # A work directory, for the report.
    path.rename(tmp_path / 'epoch_1.pth')
    path = tmp_path / 'epoch_1.pth'
    for arguments in (['publish', path, tmp_path / 'published.pth'],
                      ['convert_0x', path, tmp_path / 'converted.pth'],
                      ['evaluation', config, path], ['report', tmp_path]):
        command(*arguments[1:], module=arguments[0])
        assert not mark.exists(), arguments
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
    result = command(path, tmp_path / 'out.pth')
    assert result.returncode != 0
    assert 'foreign.pth' in result.stderr
    assert 'Traceback' not in result.stderr

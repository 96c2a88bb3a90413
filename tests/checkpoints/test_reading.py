"""Weights of a file that is not to be trusted."""
import os

import pytest
import torch
from mmengine.registry import DefaultScope
from stock_moco import trained

from interclr_plugin.checkpoints import load_state_dict


@pytest.fixture(params=['mmselfsup', 'mmpretrain'])
def scope(request):
    with DefaultScope.overwrite_default_scope(request.param):
        yield request.param


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path, )


@pytest.mark.parametrize('zipped', [True, False])
def test_a_checkpoint_runs_no_code(tmp_path, zipped):
    """Without it a downloaded checkpoint could do anything."""
    marker = tmp_path / 'ran'
    torch.save(
        dict(state_dict=dict(a=torch.ones(2)), extra=Payload(marker)),
        tmp_path / 'bad.pth',
        _use_new_zipfile_serialization=zipped)
    try:
        state = load_state_dict(str(tmp_path / 'bad.pth'))
    except ValueError as error:  # newer torch refuses, for older it is skipped
        assert 'could run code' in str(error)
    else:
        assert torch.equal(state['a'], torch.ones(2))
    assert not marker.exists()
    torch.load(tmp_path / 'bad.pth', weights_only=False)
    assert marker.exists()  # it would have run


def test_state_dict_is_what_was_saved(scope, tmp_path):
    """Without it a reader of its own could return altered weights."""
    model, checkpoint = trained(scope, tmp_path / 'x.pth')
    state = load_state_dict(checkpoint)
    for name, value in model.state_dict().items():
        assert torch.equal(state[name], value), name
        assert state[name].dtype == value.dtype
    assert state['inter_image.bank.labels'][8] == 1

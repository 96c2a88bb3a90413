"""Small files to hand on."""
import pytest
import torch
from small_run import build_model, runner_of, small_config

from interclr_plugin.checkpoints import publish


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

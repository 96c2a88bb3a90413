"""The class that InterCLR derives from a stock one."""
import copy
import io
import subprocess
import sys

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from small_run import build_model, small_config

LOAD = """
import sys, torch
model = torch.load(sys.argv[1], weights_only=False)
print(type(model).__name__, float(model.neck.mlp[0].weight.sum()))
"""


def model_of(scope, **changes):
    config = small_config(scope, None)
    config.model.update(changes)
    return build_model(config, scope)


def test_it_is_one_class_with_a_name(scope):
    """Without it each model had a class of its own, unknown to isinstance of
    the last one, and a module that is not its own."""
    first, second = model_of(scope), model_of(scope)
    kind = type(first)
    assert kind is type(second)
    assert kind.__name__ == 'InterCLRMoCo'
    assert kind.__module__.startswith(scope)


def test_a_model_is_pickled(scope, tmp_path):
    """Without it ``torch.save(model)``, which works for the stock one, fails,
    and with it every tool that sends a model to another process."""
    model = model_of(scope)
    model.inter_image.allocate(96, seed=0)
    model.inter_image.fill()
    model.inter_image.first_clustering()
    torch.save(model, tmp_path / 'model.pth')
    again = torch.load(tmp_path / 'model.pth', weights_only=False)
    assert type(again) is type(model)
    copied = copy.deepcopy(model)
    for other in (again, copied):
        for name, value in model.state_dict().items():
            assert torch.equal(other.state_dict()[name], value), name
        assert other.backbone is not model.backbone
    # In a process that never built one.
    done = subprocess.run([sys.executable, '-c', LOAD,
                           str(tmp_path / 'model.pth')],
                          capture_output=True, text=True, check=False)
    total = float(model.neck.mlp[0].weight.sum())
    assert done.stdout.split()[-2:] == ['InterCLRMoCo', str(total)], \
        done.stderr


def test_memory_that_is_kept_between_steps_is_not_saved():
    """Without it a saved model would hold the products of its last step."""
    from interclr_plugin.inter_image.similarities import Similarities
    kept = Similarities()
    kept(torch.randn(8, 64), torch.randn(4096, 64))
    file = io.BytesIO()
    torch.save(kept, file)
    assert len(file.getvalue()) < 2000
    assert copy.deepcopy(kept)._kept == {}


@pytest.mark.parametrize('scope', ['mmselfsup', 'mmpretrain'])
def test_a_class_in_place_of_its_name(scope):
    """Without it a class that is at hand would have to be registered."""
    init_default_scope(scope)
    with MODELS.switch_scope_and_registry(None) as registry:
        moco = registry.get('MoCo')
    model = model_of(scope, algorithm=moco)
    assert isinstance(model, moco)
    assert type(model) is type(model_of(scope))

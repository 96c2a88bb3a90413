"""What each process has alone, of which mmengine saves none or one's."""
import hashlib
from typing import Any, Dict, List

import torch
from mmengine import dist
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn

from ..datasets.random_states import capture, restore


def gather(runner: Runner, position: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Collect the states of all processes; all have to ask.

    Args:
        runner (Runner): In its training.
        position (dict): Of this process's loader.

    Returns:
        list[dict]: For each process its random states, ``position``,
        ``buffers`` that are not the same on all (batch statistics), and
        ``gradients`` that wait for further batches
        (``accumulative_counts``).
    """
    model = _model(runner)
    return dist.all_gather_object(
        dict(
            capture(),
            buffers=_own_buffers(model),
            gradients=_pending_gradients(runner, model),
            **position))


def put_back(runner: Runner, states: Dict[str, Any]) -> None:
    """Go on from one process's states.

    Args:
        runner (Runner): Of that process, ahead of the first step.
        states (dict): Its entry of :func:`gather`.
    """
    model = _model(runner)
    buffers = dict(model.named_buffers())
    for name, value in states.get('buffers', {}).items():
        buffers[name].copy_(value)
    parameters = dict(model.named_parameters())
    for name, value in states.get('gradients', {}).items():
        parameters[name].grad = value.to(parameters[name], copy=True)
    restore(states)


def _model(runner: Runner) -> nn.Module:
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def _own_buffers(model: nn.Module) -> Dict[str, Tensor]:
    if dist.get_world_size() == 1:
        return {}
    buffers = {name: b.detach().cpu() for name, b in model.named_buffers()}
    prints = dist.all_gather_object(
        {name: _print(value)
         for name, value in buffers.items()})
    return {
        name: value
        for name, value in buffers.items()
        if any(other[name] != prints[0][name] for other in prints)
    }


def _print(value: Tensor) -> str:
    numbers = value.contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(numbers).hexdigest()


def _pending_gradients(runner: Runner, model: nn.Module) -> Dict[str, Tensor]:
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(
        wrapper, OptimWrapperDict) else [wrapper]
    if all(part.should_update() for part in wrappers):
        return {}
    return {
        name: parameter.grad.detach().cpu()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }

"""What a hook or a monitor takes from a Runner, and what it gives to it."""
from contextlib import nullcontext
from typing import ContextManager, Dict, List

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.distributed.fsdp import FullyShardedDataParallel

from .algorithms.inter_clr import InterCLRMixin


def unwrap(runner: Runner, hook: str = 'MemoryBankHook') -> InterCLRMixin:
    """Give the model without the wrapper of several processes.

    Args:
        runner (Runner): Whose model.
        hook (str): Who asks, for the error.

    Returns:
        InterCLRMixin: The model that is trained.

    Raises:
        ValueError: If it is another kind of model.
    """
    model = runner.model.module if is_model_wrapper(
        runner.model) else runner.model
    if not isinstance(model, InterCLRMixin):
        raise ValueError(
            f'{hook} found a {type(model).__name__}; it goes with '
            "model=dict(type='InterCLR', ...). Change model.type or remove "
            'the hook from custom_hooks.')
    return model


def whole_weights(runner: Runner) -> ContextManager:
    """Give weights that are sharded between processes whole, to be read.

    Args:
        runner (Runner): Of the training.

    Returns:
        ContextManager: In which parts of the model can be called alone.
    """
    if isinstance(runner.model, FullyShardedDataParallel):
        return FullyShardedDataParallel.summon_full_params(
            runner.model, writeback=False)
    return nullcontext()


def weight_names(runner: Runner) -> List[str]:
    """List what a checkpoint of the model has to have.

    Args:
        runner (Runner): Whose model.

    Returns:
        list[str]: Names, without those that a wrapper adds. Of sharded
        weights without buffers: their state is each process's part.
    """
    if isinstance(runner.model, FullyShardedDataParallel):
        names = [name for name, _ in runner.model.named_parameters()]
    else:
        names = list(unwrap(runner).state_dict())
    for added in ('_fsdp_wrapped_module.', '_checkpoint_wrapped_module.'):
        names = [name.replace(added, '') for name in names]
    return names


def steps_per_pass(runner: Runner) -> int:
    """Count the steps in which all processes together see the images once.

    This is what an epoch is, also where a run counts steps: an
    ``InfiniteSampler`` has the length of the data set on every process, and
    gives each of W processes a W-th of the images.

    Args:
        runner (Runner): Of the training.

    Returns:
        int: At least 1.
    """
    loader = runner.train_dataloader
    shares = get_world_size() if isinstance(loader.sampler,
                                            InfiniteSampler) else 1
    return max(1, -(-len(loader) // shares))


def log_scalars(runner: Runner, values: Dict[str, float]) -> None:
    """Show measured values in the log and in every visualisation backend.

    mmengine's log shows the last value that it was given, at steps of its
    own, and possibly never the last one of a run; so the backends get each
    value at once too, at the step where it was measured.

    Args:
        runner (Runner): Of the training, at the end of a step.
        values (dict): By name; not with "loss" or "time" in it, of which the
            log would show a mean over steps.
    """
    if not values:
        return
    runner.message_hub.update_scalars(
        {f'train/{name}': value
         for name, value in values.items()})
    runner.visualizer.add_scalars(
        values, step=runner.iter + 1, file_path=f'{runner.timestamp}.json')

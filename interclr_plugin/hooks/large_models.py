"""Which ways of training large models go with the branch, and how."""
from mmengine.hooks import EMAHook
from mmengine.model import BaseAveragedModel
from mmengine.runner import Runner
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

# By name: mmengine has them where their packages are not.
_ENGINES = ('DeepSpeedStrategy', 'ColossalAIStrategy')


def require_possible(runner: Runner, model: nn.Module,
                     waits: bool) -> None:
    """Refuse what would fail in a step, or train another thing in silence.

    Args:
        runner (Runner): Of the training.
        model (nn.Module): Without a wrapper.
        waits (bool): Whether the first steps have no inter-image loss.

    Raises:
        ValueError: Names the reason and the line to change.
    """
    strategy = getattr(runner, 'strategy', None)  # of a FlexibleRunner
    if type(strategy).__name__ in _ENGINES:
        raise ValueError(
            f'strategy={type(strategy).__name__}: its engine keeps weights '
            'and checkpoints in forms of its own, from which the memory bank '
            "can be neither filled nor resumed. Write strategy=dict(type='"
            "FSDPStrategy', state_dict_cfg='full'), or leave out "
            "runner_type='FlexibleRunner' and strategy.")
    if isinstance(runner.model, FullyShardedDataParallel):
        _require_whole_files(strategy)
        _require_whole_averages(runner, model)
    if getattr(runner.model, 'static_graph', False) and waits and \
            model.inter_neck is not None:
        raise ValueError(
            "static_graph=True: the graph changes, for the branch's own neck "
            'has no gradient in the steps before the inter-image loss begins '
            '(warmup_epochs, first_clustering). Write model_wrapper_cfg=dict('
            'static_graph=False, find_unused_parameters=True).')
    parts = runner.cfg.get('activation_checkpointing') or ()
    if 'backbone' in ((parts, ) if isinstance(parts, str) else parts):
        raise ValueError(
            f'activation_checkpointing={parts!r}: what is given images alone '
            'has no input with a gradient, and torch then computes none for '
            'its weights. Name parts behind the first: '
            "activation_checkpointing=['backbone.layer1', ...], or write "
            'model=dict(backbone=dict(with_cp=True)).')


def _require_whole_files(strategy: object) -> None:
    if strategy.state_dict_type.name != 'FULL_STATE_DICT':
        raise ValueError(
            'FSDP writes a folder of shards for a checkpoint, which nothing '
            'here resumes, publishes or reports. Write strategy=dict(type='
            "'FSDPStrategy', state_dict_cfg='full').")
    if not (strategy.model_wrapper or {}).get('use_orig_params', True):
        raise ValueError(
            'use_orig_params=False: all weights are one without a name, and '
            'a resume cannot tell whether it has each. Remove it from '
            'strategy=dict(model_wrapper=dict(...)); it is True by default.')


def _require_whole_averages(runner: Runner, model: nn.Module) -> None:
    if any(isinstance(hook, EMAHook) for hook in runner.hooks):
        raise ValueError(
            'EMAHook would average the shards that FSDP leaves on a process. '
            'Remove it from custom_hooks, or leave out strategy.')
    averages = [
        name for name, part in model.named_modules()
        if isinstance(part, BaseAveragedModel)
    ]
    if not averages:
        return
    wrapper = runner.strategy.model_wrapper or {}
    ignored = wrapper.get('ignored_modules') or ()
    if not set(averages) <= set(ignored):
        raise ValueError(
            f'FSDP would shard {", ".join(averages)}, whose weights are '
            'averages that a step writes, and the writes would be lost. '
            'Write strategy=dict(model_wrapper=dict(type='
            f"'MMFullyShardedDataParallel', ignored_modules={averages})).")
    if len(FullyShardedDataParallel.fsdp_modules(runner.model)) > 1:
        raise ValueError(
            'auto_wrap_policy: the average is taken of whole weights, and '
            'those of parts that FSDP wraps alone are sharded at that '
            'moment. Remove auto_wrap_policy from strategy=dict('
            'model_wrapper=dict(...)); it goes with algorithms without a '
            'momentum encoder.')

"""Whether a run that is stopped and resumed will end with the same bits."""
from typing import List

from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner


def guarantee(runner: Runner) -> str:
    """Say whether the guarantee holds for a run, and else what to change.

    Args:
        runner (Runner): At the start of its training.

    Returns:
        str: One line.
    """
    reasons = _reasons(runner)
    if not reasons:
        return ('Resume: exact. Stopped and resumed from any of its '
                'checkpoints, this run ends with the same bits.')
    return 'Resume: not exact, because of ' + '; and of '.join(reasons) + '.'


def _reasons(runner: Runner) -> List[str]:
    loader, saved, found = runner.train_dataloader, 1, []
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        found.append(
            'a loop by iterations, which draws a batch before the random '
            "states are back (train_cfg=dict(type='EpochBasedTrainLoop', "
            'max_epochs=...))')
    if loader.num_workers and loader.persistent_workers:
        found.append(
            'loader processes that live on, whose random states are lost '
            '(train_dataloader=dict(persistent_workers=False))')
    count = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
    if len(loader) % count:
        found.append(
            f'gradients of {len(loader) % count} steps that an epoch of '
            f'{len(loader)} leaves over, which no checkpoint has '
            f'(optim_wrapper=dict(accumulative_counts=...) that divides '
            f'{len(loader)})')
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            if not hook.by_epoch:
                found.append(
                    'checkpoints in the middle of an epoch, which is begun '
                    'anew (default_hooks=dict(checkpoint=dict('
                    'by_epoch=True)))')
            saved = hook.interval
    # SwAV's queue is a file beside the checkpoints.
    for hook in runner.hooks:
        if type(hook).__name__ == 'SwAVHook' and hook.queue_length and \
                saved % hook.interval:
            found.append(
                f'a SwAV queue that is saved every {hook.interval} epochs and '
                f"a checkpoint every {saved} (dict(type='SwAVHook', "
                'interval=1))')
    device = next(runner.model.parameters()).device.type
    if device != 'cpu':
        found.append(f'{device}, where some sums have no fixed order')
    return found

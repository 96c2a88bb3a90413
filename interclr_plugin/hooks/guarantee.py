"""Whether a run that is stopped and resumed will end with the same bits."""
from typing import List

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..datasets.resumable_loader import not_resumable


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
    found = not_resumable(runner.train_dataloader)
    saved, within = 1, False
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            saved, within = hook.interval, within or not hook.by_epoch
        within = within or type(hook).__name__ == 'PreemptionHook'
    # SwAV's queue is a file beside the checkpoints.
    for hook in runner.hooks:
        if type(hook).__name__ != 'SwAVHook' or not hook.queue_length:
            continue
        if within:
            found.append(
                'a SwAV queue, which is saved at the end of an epoch: from a '
                'checkpoint within one (preempted.pth, '
                'CheckpointHook(by_epoch=False)) its keys are older')
        elif saved % hook.interval:
            found.append(
                f'a SwAV queue that is saved every {hook.interval} epochs and '
                f"a checkpoint every {saved} (dict(type='SwAVHook', "
                'interval=1))')
    device = next(runner.model.parameters()).device.type
    if device != 'cpu':
        found.append(f'{device}, where some sums have no fixed order')
    return found

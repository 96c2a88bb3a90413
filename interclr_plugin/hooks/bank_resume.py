"""Whether a bank that was restored belongs to the data set in use."""
from typing import Optional

from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from ..checkpoints.branch_names import is_state
from ..inter_image import InterImageBranch

NO_BANK = (
    'The checkpoint that is resumed has no memory bank (it is of a training '
    'without InterCLR): a new one is made. Weights, optimizer and epoch are '
    "the checkpoint's; for a schedule from its start take load_from=... in "
    'place of resume.')


def require_same_images(branch: InterImageBranch, num_images: int,
                        before: Optional[str], now: Optional[str]) -> None:
    """Refuse a bank whose rows are of other images.

    Args:
        branch (InterImageBranch): With a bank that is not empty.
        num_images (int): N of the data set.
        before (str, optional): Fingerprint in the checkpoint. None: not
            checked.
        now (str, optional): Fingerprint of the data set. None: not checked.

    Raises:
        ValueError: They are others, or in another order.
    """
    if branch.num_images != num_images:
        raise ValueError(
            f'Cannot resume: the bank has {branch.num_images} images in the '
            f'checkpoint and the training set has {num_images}. Resume with '
            'the data set of the checkpoint, or start a new run from its '
            'weights: load_from=..., resume=False.')
    if None not in (before, now) and before != now:
        raise ValueError(
            'Cannot resume: the images or their order changed. Fingerprint '
            f'in the checkpoint: {before[:12]}, now: {now[:12]}. Resume with '
            'the data set of the checkpoint; start a new run from its '
            'weights, load_from=..., resume=False; or, if the order is the '
            "same, set custom_hooks=[dict(type='MemoryBankHook', "
            'accept_other_images=True)].')


def share_with_averaged_models(runner: Runner,
                               branch: InterImageBranch) -> None:
    """Let the copies that EMAHook averages use the bank that is trained.

    Rows are no weights: an average of them, or a second copy, is of no use.

    Args:
        runner (Runner): Whose hooks.
        branch (InterImageBranch): Of its model.
    """
    for hook in runner.hooks:
        if not isinstance(hook, EMAHook):
            continue
        averaged = hook.ema_model
        averaged.module.inter_image.bank = branch.bank
        # With update_buffers=True these are all that a checkpoint has.
        for name in filter(is_state, list(averaged.avg_parameters)):
            del averaged.avg_parameters[name]

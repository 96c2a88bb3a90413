"""Whether what is restored is all of the run, and of the data set in use."""
from typing import Optional

from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from ..checkpoints.branch_names import is_state, is_stock, rename_1_0
from ..datasets.fingerprint import KEY
from ..inter_image import InterImageBranch
from ..runner import weight_names


def require_all_weights(runner: Runner, checkpoint: dict) -> None:
    """Refuse to go on from a part of a model.

    mmengine warns of weights that a checkpoint lacks, and goes on with those
    of a new model. A run of the stock algorithm has no bank, and may get one.

    Args:
        runner (Runner): With the model that resumes.
        checkpoint (dict): What it is to be given.

    Raises:
        ValueError: It lacks some. It is in the log, too.
    """
    found = {
        name[len('module.'):] if name.startswith('module.') else name: value
        for name, value in checkpoint['state_dict'].items()
    }
    rename_1_0(found)
    with_bank = KEY in checkpoint.get('meta', {})
    missing = [
        name for name in weight_names(runner) if name not in found
        # Batch norm of old checkpoints counts nothing.
        and not name.endswith('num_batches_tracked') and
        (with_bank or is_stock(name))
    ]
    if missing:
        fault = (
            f'Cannot resume: the checkpoint lacks {len(missing)} weights of '
            f'the model, such as {missing[:3]}. Resume from the checkpoint '
            'as it was saved, with its own configuration, or start a new run '
            'from its weights: load_from=..., resume=False.')
        runner.logger.error(fault)
        raise ValueError(fault)

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
        averaged.module.inter_image.sampler = branch.sampler
        # With update_buffers=True these are all that a checkpoint has.
        for name in filter(is_state, list(averaged.avg_parameters)):
            del averaged.avg_parameters[name]

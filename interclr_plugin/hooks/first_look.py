"""What is said of a run's settings before its first step."""
from logging import Logger

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from ..inter_image import ClusteredBank, OfflineKMeans
from ..runner import steps_per_pass

# Above this, and below 1, somebody may mean the weight of the OLD value.
_HABIT = 0.9


def look(runner: Runner, model: nn.Module, num_images: int) -> None:
    """Refuse what would stop the run later; warn of what is rarely meant.

    Args:
        runner (Runner): Of the training.
        model (nn.Module): Without a wrapper.
        num_images (int): N.

    Raises:
        ValueError: A batch does not fit into the stock algorithm's queue.
    """
    branch = model.inter_image
    _require_fitting_queue(model, runner.train_dataloader, num_images,
                           runner.logger)
    _warn_of_an_interval_beyond(runner, branch.labels)
    _warn_of_a_habit(branch.bank, runner.logger)


def _require_fitting_queue(model: nn.Module, loader: DataLoader,
                          num_images: int, logger: Logger) -> None:
    # MoCo and DenseCL write a whole batch into their queue at once, and
    # assert in the step itself, without a word, that it fits.
    length, batch = getattr(model, 'queue_len', None), loader.batch_size
    if length is None or batch is None:
        return
    shares = get_world_size()
    if length % (batch * shares):
        fitting = max(1, length // (batch * shares)) * batch * shares
        raise ValueError(
            f'queue_len={length} is not a multiple of the batch, '
            f'{batch * shares} images on {shares} process(es) together. '
            f'Write model=dict(queue_len={fitting}), or change '
            'train_dataloader=dict(batch_size=...).')
    ends = not (loader.drop_last or isinstance(loader.sampler,
                                               InfiniteSampler))
    rest = len(loader.sampler) % batch
    if ends and rest and length % (rest * shares):
        raise ValueError(
            f'The last batch of an epoch has {rest} images and not {batch}, '
            f'and queue_len={length} is no multiple of it. Write '
            'train_dataloader=dict(drop_last=True).')
    if length > num_images:
        logger.warning(
            f'queue_len={length} is more than the {num_images} images: the '
            "queue holds several keys of each, which are the stock loss's "
            f'negatives of one another. At most {num_images} is advised, a '
            'multiple of the batch: model=dict(queue_len='
            f'{max(1, num_images // (batch * shares)) * batch * shares}).')


def _warn_of_an_interval_beyond(runner: Runner, labels: object) -> None:
    epochs = runner.max_iters / steps_per_pass(runner)
    if isinstance(labels, OfflineKMeans) and labels.interval >= epochs:
        runner.logger.warning(
            f'interval={labels.interval} epochs between two clusterings in a '
            f'run of {epochs:.4g}: the labels will stay those of the first '
            'one. Lower inter_image=dict(labels=dict(interval=...)).')


def _warn_of_a_habit(bank: ClusteredBank, logger: Logger) -> None:
    if _HABIT < bank.momentum < 1:
        logger.warning(
            f'momentum={bank.momentum} is the weight of the NEW value in the '
            "bank, the opposite of MoCo's: rows are nearly the latest keys. "
            f'If {bank.momentum} is to be the weight of the old value, write '
            f'inter_image=dict(bank=dict(momentum={1 - bank.momentum:.4g})); '
            'for the latest keys leave it out.')

"""What a person reads in the log: short lines; backends get all numbers."""
from typing import Tuple

from mmengine.runner import LogProcessor, Runner
from torch import Tensor


class ShortLogProcessor(LogProcessor):
    """Log a training step in one line of at most 120 characters.

    Epoch and step, the time left, the loss and its two parts, and
    ``change_ratio``. Everything else that mmengine would put there (learning
    rate, times, memory, what monitors measured) goes to the visualisation
    backends alone, which get it as before. :class:`MemoryBankHook` chooses it
    unless ``log_processor`` of the configuration names a ``type``;
    ``dict(type='LogProcessor')`` is mmengine's.

    Its settings are those of mmengine's.
    """

    def get_log_after_iter(self, runner: Runner, batch_idx: int,
                           mode: str) -> Tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        if mode != 'train':
            return tag, line
        values = {name.split('train/')[-1]: tag[name] for name in tag}
        intra = [
            value for name, value in values.items()
            if name.startswith('intra_') and 'loss' in name
        ]
        parts = [_place(runner, batch_idx, self.by_epoch)]
        if 'eta' in runner.message_hub.runtime_info:
            parts.append(f'eta {_time(runner.message_hub.get_info("eta"))}')
        if 'loss' in values:
            parts.append(f'loss {_number(values["loss"])}')
        if intra:
            parts.append(f'intra {_number(sum(intra))}')
        if 'inter_loss' in values:
            parts.append(f'inter {_number(values["inter_loss"])}')
        if 'change_ratio' in values:
            parts.append(f'change_ratio {values["change_ratio"]:.2f}')
        return tag, ' '.join(parts)


def shorten(runner: Runner) -> None:
    """Give a run the short line, unless its configuration chose another.

    Args:
        runner (Runner): Whose log processor is replaced; settings stay.
    """
    asked = runner.cfg.get('log_processor') or {}
    chosen = isinstance(asked, LogProcessor) or 'type' in asked
    if not chosen and type(runner.log_processor) is LogProcessor:
        short = ShortLogProcessor()
        vars(short).update(vars(runner.log_processor))
        runner.log_processor = short


def clusters_in_words(sizes: Tensor) -> str:
    """Describe the clusters' sizes.

    Args:
        sizes (Tensor): (C,) images of each.

    Returns:
        str: Such as ``'Clusters: 100, 20 to 412 images, median 118'``.
    """
    ordered = sizes.sort().values
    smallest, median, largest = ordered[[0, len(ordered) // 2, -1]].tolist()
    return (f'Clusters: {len(ordered)}, {smallest} to {largest} images, '
            f'median {median}')


def _place(runner: Runner, batch_idx: int, by_epoch: bool) -> str:
    if by_epoch:
        steps = len(runner.train_dataloader)
        step = str(batch_idx + 1).rjust(len(str(steps)))
        return f'[{runner.epoch + 1}][{step}/{steps}]'
    step = str(runner.iter + 1).rjust(len(str(runner.max_iters)))
    return f'[{step}/{runner.max_iters}]'


def _time(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f'{days}d{hours:02}h'
    return f'{hours}h{minutes:02}m' if hours else f'{minutes}m{seconds:02}s'


def _number(value: float) -> str:
    return f'{value:.3f}' if abs(value) < 10 else f'{value:#.4g}'

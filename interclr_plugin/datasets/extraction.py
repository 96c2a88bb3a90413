"""How features of a whole data set are computed, leaving no trace behind."""
import random
from contextlib import contextmanager
from typing import Callable, Iterator, Optional, Tuple

import numpy as np
import torch
from mmengine import dist
from mmengine.dataset import default_collate
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from ..distributed import shard, share


def extract(dataset: Dataset,
            model: nn.Module,
            forward: Callable[[dict], Tensor],
            **options) -> Tensor:
    """Compute one feature per item, the items shared out over the processes.

    Args:
        dataset (Dataset): n items, as for :func:`extract_batches`.
        model (nn.Module): Whose mode is set.
        forward (Callable): Takes a collated batch, gives (b, D).
        **options: Further arguments of :func:`extract_batches`.

    Returns:
        Tensor: (n, D) float32 on the model's device, equal on all processes.
    """
    rows = [
        batch for _, batch in extract_batches(dataset, model, forward,
                                              **options)
    ]
    device = next(model.parameters()).device
    # A process may have no item at all, and knows no width then.
    width = torch.tensor(rows[0].shape[1] if rows else 0, device=device)
    dist.all_reduce(width, 'max')
    features = torch.zeros(len(dataset), int(width), device=device)
    features[shard(len(dataset))] = torch.cat([*rows, features[:0]])
    share(features)
    return features


def extract_batches(
    dataset: Dataset,
    model: nn.Module,
    forward: Callable[[dict], Tensor],
    *,
    batch_size: int = 256,
    num_workers: int = 0,
    items: Optional[slice] = None,
    progress: Callable[[int], None] = lambda done: None
) -> Iterator[Tuple[slice, Tensor]]:
    """Compute the features of this process's items, a batch at a time.

    The model runs in eval mode without gradients and is put back into its
    mode afterwards; the random state is put back too, so that a run with an
    extraction in it draws the same numbers as one without.

    Args:
        dataset (Dataset): n items that give one view each, such as
            :func:`~interclr_plugin.datasets.centre_view`.
        model (nn.Module): Whose mode is set.
        forward (Callable): Takes a collated batch, gives (b, D).
        batch_size (int): Items at once. Defaults to 256.
        num_workers (int): Loading processes. Defaults to 0.
        items (slice, optional): Which items are this process's. Defaults to
            None: :func:`~interclr_plugin.distributed.shard`.
        progress (Callable): Told how many items each batch had, times the
            number of processes.

    Yields:
        tuple[slice, Tensor]: Which items, and (b, D) float32 on the model's
        device.
    """
    mine = range(len(dataset))[items or shard(len(dataset))]
    loader = DataLoader(
        Subset(dataset, mine),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=default_collate)
    device = next(model.parameters()).device
    done = 0
    with _untouched_random_state(device), _eval_mode(
            model), torch.no_grad(), _plain_errors():
        for batch in loader:
            rows = forward(batch).float()
            some = mine[done:done + len(rows)]
            yield slice(some.start, some.stop, some.step), rows
            done += len(rows)
            progress(len(rows) * dist.get_world_size())


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    training = {m: m.training for m in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _plain_errors() -> Iterator[None]:
    # torch puts the traceback of a loader process into its error's message.
    try:
        yield
    except ValueError as error:
        _, traceback, message = str(error).rpartition('\nValueError: ')
        if not traceback:
            raise
        raise ValueError(message.strip()) from error


@contextmanager
def _untouched_random_state(device: torch.device) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    # Named, or torch warns on a machine with several GPUs and saves them all.
    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)

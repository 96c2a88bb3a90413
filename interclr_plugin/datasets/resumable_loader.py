"""How the batches of a training go on from the middle of a pass."""
import functools
import inspect
import os
import pickle
import signal
import threading
from itertools import islice
from typing import Any, Callable, Dict, Iterator, List, Optional

from mmengine.dataset import InfiniteSampler
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    get_worker_info,
)

from .random_states import as_tensors, restore, take

# What a DataLoader is made of, beside its batches of indices.
_OPTIONS = ('num_workers', 'pin_memory', 'timeout', 'multiprocessing_context',
            'generator', 'prefetch_factor', 'persistent_workers',
            'pin_memory_device', 'in_order')


class ResumableLoader:
    """Give a stock loader's batches, and say how to go on from each.

    The batches are the stock ones, to the bit. A loader process sends its
    random states along with each batch; to go on, the batches that were seen
    are passed over by their indices alone, and the states are put back. That
    takes no time where none of the images is read again. All attributes but
    the batches are the stock loader's.

    ``StatefulDataLoader`` of torchdata 0.11 passes batches over as well, but
    keeps no random state of a loader process, and needs Python 3.9.

    Args:
        loader (DataLoader): The stock one.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._batches = _Batches(loader)
        self._start = _WorkerStart(loader.worker_init_fn)
        known = inspect.signature(DataLoader).parameters
        # None of its own: DataLoader refuses some that do not go together.
        options = {
            name: getattr(loader, name)
            for name in _OPTIONS if name in known and getattr(
                loader, name, None) not in (None, '')
        }
        self._inner = DataLoader(
            loader.dataset,
            batch_sampler=self._batches,
            collate_fn=_WithStates(loader.collate_fn),
            worker_init_fn=self._start,
            **options)
        self._done = 0  # batches of this pass that were given
        self._workers: Dict[int, Any] = {}  # states after their last batch
        self._go_on: Dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        workers, skipped = self.num_workers, self._batches.skip
        go_on, self._go_on = self._go_on, {}
        if not (go_on or self.persistent_workers):
            self._workers = {}  # they begin anew
        if go_on.get('epoch') is not None:
            self.sampler.set_epoch(go_on['epoch'])
        batches = iter(self._inner)
        self._start.states = None  # the processes have theirs
        # Each batch has its loader process, and the next one may be the
        # third's: empty batches, which draw nothing, come before it.
        for _ in range(skipped % workers if workers else 0):
            next(batches)
        self._done = skipped
        if go_on.get('states') is not None:
            restore(go_on['states'])
        for batch in batches:
            if workers:
                batch, number, self._workers[number] = batch
            self._done += 1
            yield batch
        self._done = 0

    def position(self) -> Dict[str, Any]:
        """Say how to go on after the batch that was given last.

        Returns:
            dict: ``done``, batches of this pass that were given, and
            ``workers``, random states of the loader processes; for
            :meth:`go_on_from`.
        """
        states = [self._workers.get(i) for i in range(self.num_workers)]
        return dict(
            done=self._done,
            workers=[
                as_tensors(pickle.loads(state)) if isinstance(state, bytes)
                else state for state in states
            ])

    def go_on_from(self,
                   position: Dict[str, Any],
                   *,
                   seed: Optional[int] = None,
                   epoch: Optional[int] = None,
                   states: Optional[Dict[str, Any]] = None) -> None:
        """Begin the next pass where another run was.

        Args:
            position (dict): What :meth:`position` gave there.
            seed (int, optional): The run's, for the loader processes.
            epoch (int, optional): What the sampler is told, where nobody
                else tells it.
            states (dict, optional): Random states of this process ahead of
                the first batch.
        """
        self._batches.skip = position['done']
        # A DataLoader draws when it begins, and goes on without.
        goes_on = position['done'] or self.persistent_workers
        self._go_on = dict(epoch=epoch, states=states if goes_on else None)
        init = self._start.stock
        # mmengine built it before it knew the run's seed.
        if isinstance(init, functools.partial) and 'seed' in init.keywords:
            init.keywords['seed'] = seed
        workers = position['workers']
        # Processes that end with a pass begin the next one anew.
        if goes_on and len(workers) == self.num_workers:
            self._start.states = workers
            self._workers = dict(enumerate(workers))


def not_resumable(loader: DataLoader) -> List[str]:
    """Say why a loader's batches cannot go on from the middle of a pass.

    Args:
        loader (DataLoader): Of a training.

    Returns:
        list[str]: Reasons, each with the line to change; empty where they
        can.
    """
    reasons = []
    if isinstance(loader.dataset, IterableDataset):
        reasons.append('the data set gives its images in an order of its own '
                       '(IterableDataset)')
    elif loader.batch_sampler is None:
        reasons.append('images come without a batch: set '
                       'train_dataloader=dict(batch_size=...)')
    if getattr(loader.sampler, 'seed', None) is None:
        reasons.append(
            f'{type(loader.sampler).__name__} has no seed: set '
            "train_dataloader=dict(sampler=dict(type='DefaultSampler'))")
    if not getattr(loader, 'in_order', True):
        reasons.append('batches come in the order in which they are ready: '
                       'set train_dataloader=dict(in_order=True)')
    return reasons


class _Batches:
    """The indices of a loader's batches, the first of them passed over."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self.skip = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[List[int]]:
        skip, self.skip = self.skip, 0
        for _ in range(skip % (self.loader.num_workers or 1)):
            yield []
        yield from islice(self._stock(), skip, None)

    def _stock(self) -> Iterator[List[int]]:
        sampler, batches = self.loader.sampler, self.loader.batch_sampler
        if type(sampler) is InfiniteSampler and type(batches) is BatchSampler:
            # It can be read but once, and IterBasedTrainLoop has begun.
            sampler = InfiniteSampler(
                sampler.dataset, shuffle=sampler.shuffle, seed=sampler.seed)
            batches = BatchSampler(sampler, batches.batch_size,
                                   batches.drop_last)
        return iter(batches)


class _WithStates:
    """Collate, and tell a loader process's random states after that."""

    def __init__(self, stock: Callable) -> None:
        self.stock = stock

    def __call__(self, items: List[Any]) -> Any:
        worker = get_worker_info()
        batch = self.stock(items) if items else None
        if worker is None:
            return batch
        return batch, worker.id, pickle.dumps(take(), -1)


class _WorkerStart:
    """Start a loader process as the stock one, or from restored states."""

    def __init__(self, stock: Optional[Callable]) -> None:
        self.stock = stock
        self.states: Optional[List[Optional[dict]]] = None

    def __call__(self, worker_id: int) -> None:
        _end_with_the_reader()
        if self.stock is not None:
            self.stock(worker_id)
        if self.states and self.states[worker_id] is not None:
            restore(self.states[worker_id])


def _end_with_the_reader() -> None:
    # A cluster or Ctrl-C tells all processes of a run to end. A loader's end
    # when the process that reads from them, which may save first, says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, 'sigwaitinfo'):  # not Linux: it ends at SIGTERM
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()

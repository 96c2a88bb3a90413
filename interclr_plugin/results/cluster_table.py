"""Which training image is in which cluster, how near, and since when."""
from typing import TYPE_CHECKING, Callable, Iterable, Optional

import numpy as np
from mmengine.registry import DefaultScope

from ..checkpoints import load_checkpoint, load_state_dict
from ..datasets.fingerprint import saved_fingerprint
from .bank import Bank, read_bank, similarity_to_centroid
from .source import find_source
from .table_file import import_pandas
from .training_set import file_names, training_view

if TYPE_CHECKING:
    from pandas import DataFrame


def clusters(
    run: str,
    *,
    config: Optional[str] = None,
    progress: Callable[[str], None] = lambda doing: None) -> 'DataFrame':
    """Tell of each training image its cluster.

    Args:
        run (str): Work directory of a training, or a checkpoint of one.
        config (str, optional): Configuration of the pre-training. None: that
            in the work directory.
        progress (Callable): Told in words what is done next.

    Returns:
        DataFrame: A row for each of the N images, in the order of the data
        set: ``file``, its path, or its position where the data set holds no
        files; ``cluster``; ``similarity`` of its row of the bank with the
        centroid, cosine; ``rank`` in the cluster, 0 for the most similar;
        ``last_change``, the step of the first of the kept checkpoints since
        which all of them agree on its cluster. It is missing where all kept
        checkpoints agree.

    Raises:
        FileNotFoundError: There is no such run or configuration.
        ImportError: pandas is missing.
        ValueError: The checkpoint cannot be read, has no clusters, or is of
            other images.
    """
    pandas = import_pandas()
    source = find_source(run, config)
    progress(f'reading {source.path}')
    checkpoint = load_checkpoint(str(source.path))
    bank = read_bank(checkpoint['state_dict'])
    if bank is None:
        raise ValueError(
            f'{source.path} holds no clusters: it is of another method, was '
            'published without them, or its first clustering was still to '
            'come. Name a checkpoint of InterCLR.')
    scope = source.config.get('default_scope')
    with DefaultScope.overwrite_default_scope(scope):
        view = training_view(source.config, saved_fingerprint(checkpoint))
    if len(view) != len(bank.labels):
        raise ValueError(
            f'{source.path} has clusters of {len(bank.labels)} images and '
            f'train_dataloader.dataset has {len(view)}. Use the configuration '
            'and the data set of the training.')
    labels = bank.labels.numpy()
    similarity = similarity_to_centroid(bank).numpy()
    progress(f'comparing with {len(source.earlier)} earlier checkpoints')
    steps, known = last_changes(bank, map(str, source.earlier))
    return pandas.DataFrame(
        dict(
            file=file_names(view),
            cluster=labels,
            similarity=similarity,
            rank=ranks(labels, similarity),
            last_change=pandas.arrays.IntegerArray(steps, ~known)))


def ranks(labels: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Number the members of each cluster.

    Args:
        labels (ndarray): (N,) cluster numbers.
        similarity (ndarray): (N,) with the centroid.

    Returns:
        ndarray: (N,) int64, 0 for the most similar member; of equally similar
        ones the first in the data set comes first.
    """
    order = np.lexsort((-similarity, labels))
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    result = np.empty(len(labels), np.int64)
    result[order] = np.arange(len(labels)) - starts[labels[order]]
    return result


def last_changes(bank: Bank, earlier: Iterable[str]) -> tuple:
    """Find since which kept checkpoint each image is where it is.

    A training notes no such step, so this costs it nothing; what moved away
    and back between two checkpoints is not seen.

    Args:
        bank (Bank): Of the checkpoint in question.
        earlier (Iterable[str]): Checkpoints before it, newest first. Those
            that cannot be read are passed over.

    Returns:
        tuple: (N,) int64 steps, and (N,) bool, whether one is known.
    """
    steps = np.full(len(bank.labels), bank.step, np.int64)
    known = np.zeros(len(bank.labels), bool)
    labels, newer = bank.labels.numpy(), bank.step
    for path in earlier:
        try:
            older = read_bank(load_state_dict(path))
        except (OSError, ValueError):
            continue
        if older is None or len(older.labels) != len(labels):
            break
        moved = ~known & (older.labels.numpy() != labels)
        steps[moved] = newer
        known |= moved
        newer = older.step
    return steps, known

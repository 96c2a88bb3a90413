"""The verdict on a run without labels: what is asked, and in which order."""
from typing import List, Optional, Tuple

from ..results.run import Run
from .evidence import Evidence, weight_faults
from .scalars import Scalars
from .verdict import Sign, Verdict, judge_signs, sign_of

_SIGNS = ('loss', 'intra_loss', 'inter_loss', 'change_ratio')


def judge_unlabelled(run: Run, scalars: Scalars,
                     evidence: Optional[Evidence]) -> Verdict:
    """Judge a run by what needs no labels.

    Args:
        run (Run): With a checkpoint that can be read.
        scalars (Scalars): Of the same run.
        evidence (Evidence, optional): Of its last checkpoint.

    Returns:
        Verdict: See :func:`~.verdict.judge_signs`.
    """
    return judge_signs(
        evidence,
        signs_of(run, scalars),
        fault=weight_faults(
            [checkpoint.path for checkpoint in run.whole_checkpoints]),
        steps=steps_of(run, scalars),
        start=queue_steps(run))


def signs_of(run: Run, scalars: Scalars) -> List[Sign]:
    """Compare start and end of what the run has logged.

    Args:
        run (Run): Of the same log.
        scalars (Scalars): The log.

    Returns:
        list[Sign]: Of those numbers that are there, from the moment on at
        which the queue was full: until then a contrastive loss rises.
    """
    full = queue_steps(run) / (scalars.per_epoch or 1)
    signs = []
    for name in _SIGNS:
        points: List[Tuple[float, float]] = [
            point for point in scalars.curves.get(name, ())
            if point[0] >= full or name == 'change_ratio'
        ]
        if points:
            signs.append(sign_of(name, points))
    return signs


def queue_steps(run: Run) -> int:
    """Count the steps until a queue holds keys alone.

    Args:
        run (Run): Its configuration says how long the queue is.

    Returns:
        int: Of one process; 0 without a queue.
    """
    length = run.config.model.get('queue_len') or 0
    return -(-length // (run.config.train_dataloader.get('batch_size') or 1))


def steps_of(run: Run, scalars: Scalars) -> Optional[int]:
    """Count the steps up to the last checkpoint.

    Args:
        run (Run): With a checkpoint.
        scalars (Scalars): Tells the steps of an epoch.

    Returns:
        int, optional: None where that is not known.
    """
    if run.last.unit == 'iter':
        return run.last.number
    return run.last.number * scalars.per_epoch or None

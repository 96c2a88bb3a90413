"""What a run has logged, over its interruptions."""
import json
import math
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

import numpy as np

# Names that are not measured, but say where in the run a line belongs.
_PLACES = ('step', 'iter', 'epoch')
_GROUPS = {
    'lr': 'Schedule and cost',
    'change_ratio': 'Pseudo-labels',
    'time': 'Schedule and cost',
    'data_time': 'Schedule and cost',
    'memory': 'Schedule and cost',
    'knn': 'Nearest neighbours',
}
_ORDER = ('Losses', 'Nearest neighbours', 'Representation', 'Pseudo-labels',
          'Clusters', 'Labels', 'Pairs', 'Other', 'Schedule and cost')


class Scalars(NamedTuple):
    """Logged numbers by name, each a list of (place, value) pairs."""
    curves: Dict[str, List[Tuple[float, float]]]
    unit: str  # what places count: 'epoch' or 'step'
    per_epoch: int = 0  # steps, 0 where places count steps


def read_scalars(work_dir: Path) -> Scalars:
    """Join the logs of all starts of a run.

    What a hook measured (``hooks.scalars.log_scalars``) stands where it was
    measured; mmengine's own lines repeat it in between. What a later start
    repeats counts as it logged it; what an earlier one had done beyond that
    place was lost with it, and is left out.

    Args:
        work_dir (Path): Of the run.

    Returns:
        Scalars: In order of the steps; epochs are in parts, 1.5 being the
        middle of the second one.
    """
    kept: List[dict] = []
    # One folder per start, named by its time.
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        lines = _lines(log)
        first = min((line['step'] for line in lines if _counts_steps(line)),
                    default=float('inf'))
        kept = [line for line in kept
                if not _counts_steps(line) or line['step'] < first] + lines
    # Not every step is logged: an epoch has this many or more.
    per_epoch = math.ceil(max((line['step'] / line['epoch'] for line in kept
                               if line.get('epoch') and 'iter' in line),
                              default=0))
    measured = {
        name for line in kept if _is_measured(line) for name in line
    }
    curves: Dict[str, List[Tuple[float, float]]] = {}
    for line in kept:
        place = line['step']
        if per_epoch and _counts_steps(line):
            place /= per_epoch
        for name, value in line.items():
            repeated = name in measured and not _is_measured(line)
            if name not in _PLACES and not repeated and _is_number(value):
                curves.setdefault(name, []).append((place, value))
    return Scalars({name: sorted(curves[name], key=lambda pair: pair[0])
                    for name in curves}, 'epoch' if per_epoch else 'step',
                   per_epoch)


def _is_measured(line: dict) -> bool:
    # mmengine writes the time into each of its lines.
    return 'iter' not in line and 'time' not in line


def _counts_steps(line: dict) -> bool:
    # A validation's line counts epochs.
    return 'iter' in line or _is_measured(line)


def group_names(names: List[str]) -> Dict[str, List[str]]:
    """Sort names into groups: by the part before the slash, if any.

    Args:
        names (list[str]): As logged.

    Returns:
        dict[str, list[str]]: Every name once, the known groups first.
    """
    groups: Dict[str, List[str]] = {}
    for name in names:
        if '/' in name:
            head = name.split('/')[0]
            group = _GROUPS.get(head, head.capitalize())
        elif 'loss' in name:
            group = 'Losses'
        else:
            group = _GROUPS.get(name, 'Other')
        groups.setdefault(group, []).append(name)
    order = {group: place for place, group in enumerate(_ORDER)}
    return dict(
        sorted(
            groups.items(),
            key=lambda item: (order.get(item[0], order['Other']), item[0])))


def thin(points: List[Tuple[float, float]], most: int = 200) -> np.ndarray:
    """Average neighbouring points, where there are too many to draw.

    Args:
        points (list): (place, value) pairs.
        most (int): Of points in the result.

    Returns:
        ndarray: (n, 4) place, mean, least and greatest value; a value that is
        not finite makes a gap.
    """
    values = np.asarray(points, dtype=float)  # (n, 2)
    values[~np.isfinite(values[:, 1]), 1] = np.nan
    return np.stack([
        np.r_[part.mean(0), part[:, 1].min(), part[:, 1].max()]
        for part in np.array_split(values, min(most, len(values)))
    ])


def _lines(log: Path) -> List[dict]:
    lines = []
    for text in log.read_bytes().split(b'\n'):
        try:
            line = json.loads(text)
        except ValueError:
            continue  # cut off when the run was killed, or a torn byte
        # As bytes: another byte of a line may be torn, and cost it a number.
        if isinstance(line, dict) and _is_number(line.get('step')) and all(
                _is_number(line.get(name, 0)) for name in _PLACES):
            lines.append(line)
    return lines


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

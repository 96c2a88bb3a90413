"""Several runs in one table, and what their configurations differ in."""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..results.run import Run
from .evidence import Evidence
from .redaction import redact
from .scalars import Scalars
from .verdict import Score

# What is each run's own, whatever was trained.
_OWN = ('work_dir', 'experiment_name', 'resume', 'load_from', 'launcher')
MOST_DIFFERENCES = 40
_LONGEST = 80


class Measured(NamedTuple):
    """A run, and what was measured of its last checkpoint."""
    run: Run
    scalars: Scalars
    score: Optional[Score]
    evidence: Optional[Evidence]


def table_of_runs(runs: List[Measured]) -> List[Dict[str, Any]]:
    """Put runs side by side.

    Args:
        runs (list[Measured]): The run of the page first.

    Returns:
        list[dict]: A row for each: ``name``, ``at`` (the checkpoint) and
        ``cells``, by column; what was not measured is None.
    """
    rows = []
    for each in runs:
        last = each.run.last
        cells = {
            'kNN': each.score and each.score.knn,
            'linear': each.score and each.score.linear,
            'second view found': each.evidence and each.evidence.retrieval[1],
            'distance of views':
                each.evidence and each.evidence.closeness[1],
            'effective rank': each.evidence and each.evidence.rank[1],
        }
        for name in ('inter_loss', 'change_ratio'):
            points = each.scalars.curves.get(name)
            cells[name] = points[-1][1] if points else None
        rows.append(
            dict(name=each.run.name, at=f'{last.unit} {last.number}',
                 cells=cells))
    # A column that nobody has anything in tells nothing.
    shown = [name for name in rows[0]['cells']
             if any(row['cells'][name] is not None for row in rows)]
    for row in rows:
        row['cells'] = {name: row['cells'][name] for name in shown}
    return rows


def differences(runs: List[Run]) -> Tuple[List[Tuple[str, List[str]]], int]:
    """Compare configurations.

    Args:
        runs (list[Run]): Two or more.

    Returns:
        tuple: The name of each setting that differs with its value in every
        run, '' where a run has none, at most 40; and how many more there are.
    """
    flat = [dict(_flatten(redact(run.config.to_dict()))) for run in runs]
    names = sorted(set().union(*flat))
    rows = []
    for name in names:
        if name.split('.')[0] in _OWN:
            continue
        values = [_short(each[name]) if name in each else '' for each in flat]
        if len(set(values)) > 1:
            rows.append((name, values))
    return rows[:MOST_DIFFERENCES], max(len(rows) - MOST_DIFFERENCES, 0)


def _flatten(value: Any, name: str = ''):
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    if not items:
        yield name, value
    for key, each in items:
        yield from _flatten(each, f'{name}.{key}' if name else str(key))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'

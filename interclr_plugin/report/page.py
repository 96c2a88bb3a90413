"""From a work directory to a page."""
import datetime
import os
from pathlib import Path
from typing import Callable, Optional

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..results.run import Run
from .content import Content

GENERATOR = 'interclr_plugin.report'
# In the head of every page, so that a later report may take its place.
_MARK = f'<meta name="generator" content="{GENERATOR}">'


def write_report(work_dir: str,
                 output: Optional[str] = None,
                 *,
                 baseline: Optional[str] = None,
                 knn: bool = True,
                 device: Optional[str] = None,
                 num_workers: int = 0,
                 command: str = '',
                 progress: Callable[[str], None] = lambda doing: None) -> Path:
    """Write a self-contained HTML page about a training.

    What cannot be told, for instance because the images are elsewhere, is
    left out, and the page says why.

    Args:
        work_dir (str): Of the training, in either library.
        output (str, optional): File to write; an earlier report there is
            written over. None: report.html in ``work_dir``.
        baseline (str, optional): Work directory of a training to compare
            with, on the same data set.
        knn (bool): Measure kNN and linear accuracy, where there are labels.
        device (str, optional): Where to compute. None: GPU if there is one.
        num_workers (int): Loader processes, 0 for none.
        command (str): Shown on the page as what made it.
        progress (Callable): Told in words what is done next.

    Returns:
        Path: The page.

    Raises:
        FileExistsError: Another kind of file is at ``output``.
        FileNotFoundError: A folder lacks a checkpoint or a configuration.
        ValueError: No checkpoint can be read.
    """
    run = Run(work_dir)
    other = Run(baseline) if baseline else None
    target = Path(output) if output else run.work_dir / 'report.html'
    _check_target(target)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    loading = dict(device=device, num_workers=num_workers)
    content = Content(run, other, loading, progress).gather(knn)
    html = _render(dict(content, command=command))
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + '.tmp')
    draft.write_text(html, encoding='utf-8')
    os.replace(str(draft), str(target))
    return target


def number(value: float) -> str:
    """Write a number in at most four digits that count.

    Args:
        value (float): Any.

    Returns:
        str: Short.
    """
    return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.4g}'


def _render(content: dict) -> str:
    environment = Environment(
        loader=PackageLoader('interclr_plugin', 'report'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True)
    environment.filters['number'] = number
    return environment.get_template('page.html').render(
        generator=GENERATOR,
        date=datetime.date.today().isoformat(),
        **content)


def _check_target(path: Path) -> None:
    if not path.exists():
        return
    start = b''
    if path.is_file():
        with open(path, 'rb') as file:
            start = file.read(2000)
    if _MARK.encode() not in start:
        raise FileExistsError(
            f'{path} is there already, is no earlier report, and is not '
            'written over. Name another file with --output.')

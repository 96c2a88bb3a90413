"""From a work directory to a page."""
import base64
import datetime
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Callable, Optional, Sequence, Union

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..results.run import Run
from .content import Content
from .labels import FOLDERS
from .redaction import redact_text

GENERATOR = 'interclr_plugin.report'
MOST_BASELINES = 5
# In the head of every page, so that a later report may take its place.
_MARK = f'<meta name="generator" content="{GENERATOR}">'


def write_report(work_dir: str,
                 output: Optional[str] = None,
                 *,
                 baseline: Union[str, Sequence[str], None] = None,
                 labels: Optional[str] = None,
                 knn: bool = True,
                 trust: bool = False,
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
        baseline (str | Sequence[str], optional): Work directories of other
            trainings, on the same data set, to put beside it; at most 5.
        labels (str, optional): Where the true classes come from:
            ``'folders'``, the names of the images' folders, or a CSV file
            with ``file,class`` in each line. None: from the data set.
        knn (bool): Measure kNN and linear accuracy, where there are labels.
        trust (bool): Run the configuration in ``work_dir``, which may hold
            any code. Otherwise it is read as data, as the Runner writes it.
        device (str, optional): Where to compute. None: GPU if there is one.
        num_workers (int): Loader processes, 0 for none.
        command (str): Shown on the page as what made it.
        progress (Callable): Told in words what is done next.

    Returns:
        Path: The page.

    Raises:
        FileExistsError: Another kind of file is at ``output``.
        FileNotFoundError: A folder lacks a checkpoint or a configuration.
        ValueError: No checkpoint can be read, a configuration could run code
            and is not trusted, or there are too many baselines.
    """
    if isinstance(baseline, str):
        baseline = [baseline]
    baseline = list(baseline or ())
    if len(baseline) > MOST_BASELINES:
        raise ValueError(f'{len(baseline)} baselines: at most '
                         f'{MOST_BASELINES} can be told apart. Name fewer '
                         'after --baseline.')
    run = Run(work_dir, trust=trust)
    others = [Run(each, trust=trust) for each in baseline]
    target = Path(output) if output else run.work_dir / 'report.html'
    _check_target(target)
    if labels not in (None, FOLDERS) and not os.path.isfile(labels):
        raise FileNotFoundError(f'there is no file {labels}. Name a CSV file '
                                f'after --labels, or write {FOLDERS}.')
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    loading = dict(device=device, num_workers=num_workers)
    content = Content(run, others, labels, loading, progress).gather(knn)
    html = _render(dict(content, command=redact_text(command)))
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(target, html.encode(errors='backslashreplace'))
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
    # Safe: written here and in page.css, with numbers alone filled in.
    style = environment.get_template('page.css').render(**content)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest())
    return environment.get_template('page.html').render(
        generator=GENERATOR,
        style=Markup(style),
        style_hash=digest.decode(),
        date=datetime.date.today().isoformat(),
        **content)


def _check_target(path: Path) -> None:
    if path.is_symlink():
        raise FileExistsError(f'{path} is a symbolic link, which is not '
                              'written through. Name a file with --output.')
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


def _write_whole(path: Path, content: bytes) -> None:
    # A file that nobody else can have put there, then renamed: whoever looks
    # sees the earlier page or the whole new one.
    handle, draft = tempfile.mkstemp(
        dir=str(path.parent), prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, 0o666 & ~mask)  # as any new file's
        os.replace(draft, str(path))
    except BaseException:
        os.unlink(draft)
        raise

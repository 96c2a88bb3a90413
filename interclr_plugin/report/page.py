"""From a work directory to a page."""
import datetime
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from mmengine.registry import DefaultScope
from torch.utils.data import Subset

from ..evaluation import evaluate, extract_features, load_state_dict
from ..evaluation.benchmark import FrozenModel
from ..evaluation.checkpoint import load_backbone
from . import charts, facts, sections
from .clusters import cluster_sizes, read_bank
from .pictures import Pictures
from .run import Checkpoint, Run
from .scalars import Scalars, read_scalars
from .verdict import (
    Score,
    Sign,
    effective_rank,
    judge_scores,
    judge_signs,
    sign_of,
)

GENERATOR = 'interclr_plugin.report'
# In the head of every page, so that a later report may take its place.
_MARK = f'<meta name="generator" content="{GENERATOR}">'
MAPPED = 1000
CHECKPOINTS = 12
_SIGNS = ('loss', 'intra_loss', 'inter_loss', 'change_ratio')


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
    html = _Report(run, other, dict(device=device, num_workers=num_workers),
                   progress).render(knn, command)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + '.tmp')
    draft.write_text(html, encoding='utf-8')
    os.replace(str(draft), str(target))
    return target


class _Report:

    def __init__(self, run: Run, baseline: Optional[Run], loading: dict,
                 progress: Callable[[str], None]) -> None:
        self.run = run
        self.baseline = baseline
        self.loading = loading
        self.progress = progress
        self.left_out: List[str] = []

    def render(self, knn: bool, command: str) -> str:
        states, last = self._read_checkpoints()
        state = load_state_dict(str(last.path))
        self.bank = read_bank(state)
        scalars = read_scalars(self.run.work_dir)
        others = read_scalars(
            self.baseline.work_dir) if self.baseline else None
        scores: List[Score] = []
        with self._attempt('Accuracy'):
            scores = self._measure(last) if knn else []
        scope = self.run.config.get('default_scope')
        pictures = feature_map = None
        ranks: List[float] = []
        with DefaultScope.overwrite_default_scope(scope):
            with self._attempt('Images'):
                pictures = Pictures(self.run.config,
                                    state.get('inter_image.images'))
            with self._attempt('The map of the features'):
                if pictures is not None:
                    feature_map, ranks = self._map(pictures, last)
            content = self._show(pictures)
        signs = _signs(scalars, ranks)
        self.progress('drawing')
        return self._page(
            run=self.run,
            last=last,
            command=command,
            summary=facts.summary(self.run.config),
            verdict=_judge(scores, signs, ranks),
            scores=scores,
            scores_chart=charts.draw_scores(scores) if scores else None,
            signs=signs,
            curves=sections.curves(scalars, others),
            unit=scalars.unit,
            sizes=sections.sizes(states, last.unit) if states else None,
            map=feature_map,
            config=facts.config_text(self.run),
            versions=facts.versions(),
            training_versions=facts.training_versions(self.run),
            **content)

    def _read_checkpoints(
            self) -> Tuple[Dict[int, List[int]], Checkpoint]:
        history, last = {}, None
        for checkpoint in self.run.spread_checkpoints(CHECKPOINTS):
            self.progress(f'reading {checkpoint.path.name}')
            with self._attempt(checkpoint.path.name):
                sizes = cluster_sizes(load_state_dict(str(checkpoint.path)))
                last = checkpoint
                if sizes:
                    history[checkpoint.number] = sizes
        if last is None:
            raise ValueError('no checkpoint can be read: ' +
                             ' '.join(self.left_out))
        return history, last

    def _measure(self, last: Checkpoint) -> List[Score]:
        jobs: List[Tuple[str, Run, Optional[Path]]] = [
            ('initial weights', self.run, None),
            ('this run', self.run, last.path)]
        if self.baseline is not None:
            jobs.append(('baseline', self.baseline, self.baseline.last.path))
        scores = []
        for name, run, path in jobs:
            self.progress(f'kNN of {path.name if path else name}, {run.name}')
            result = evaluate(
                run.config,
                path and str(path),
                seed=run.seed,
                **self.loading)
            scores.append(
                Score(name, result['knn'], result['linear'],
                      result['num_test']))
        return scores

    def _map(self, pictures: Pictures,
             last: Checkpoint) -> Tuple[dict, List[float]]:
        index = np.random.RandomState(0).permutation(len(pictures))[:MAPPED]
        index.sort()
        features = {}
        for title, path in (('Initial weights', None),
                            (f'{last.unit} {last.number}', last.path)):
            self.progress(f'map of {len(index)} images: {title}')
            model = FrozenModel(self.run.config, self.run.seed)
            if path is not None:
                load_backbone(model.backbone, str(path))
            features[title] = extract_features(
                model, Subset(pictures.view, index), **self.loading)
        ranks = [effective_rank(some) for some in features.values()]
        return sections.maps(features, index, pictures, self.bank), ranks

    def _show(self, pictures: Optional[Pictures]) -> Dict[str, Any]:
        content: Dict[str, Any] = dict(montage=None, company=None)
        if pictures is None or self.bank is None:
            return content
        self.progress('encoding images')
        with self._attempt('Members of clusters'):
            content['montage'] = sections.montage(self.bank, pictures)
        with self._attempt('Queries'):
            content['company'] = sections.company(self.bank, pictures)
        return content

    @contextmanager
    def _attempt(self, what: str):
        # One part that cannot be made must not cost the user the others.
        try:
            yield
        except (ImportError, OSError, ValueError) as error:
            folder = f'{self.run.work_dir}{os.sep}'
            self.left_out.append(
                f'{what}: {error}'.replace(folder, ''))

    def _page(self, **content: Any) -> str:
        environment = Environment(
            loader=PackageLoader('interclr_plugin', 'report'),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True)
        environment.filters['number'] = number
        return environment.get_template('page.html').render(
            generator=GENERATOR,
            baseline=self.baseline,
            bank=self.bank,
            left_out=self.left_out,
            date=datetime.date.today().isoformat(),
            **content)


def number(value: float) -> str:
    """Write a number in at most four digits that count.

    Args:
        value (float): Any.

    Returns:
        str: Short.
    """
    return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.4g}'


def _signs(scalars: Scalars, ranks: List[float]) -> List[Sign]:
    signs = [
        sign_of(name, scalars.curves[name]) for name in _SIGNS
        if name in scalars.curves
    ]
    if ranks:
        change = 'rose' if ranks[1] > ranks[0] else 'fell'
        signs.append(Sign('effective rank of the features', *ranks, change))
    return signs


def _judge(scores: List[Score], signs: List[Sign], ranks: List[float]):
    if scores:
        return judge_scores(*scores)
    return judge_signs(signs, ranks[1] if ranks else None)


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

"""What the page shows, gathered from a run."""
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
from mmengine.registry import DefaultScope
from torch.utils.data import Subset

from ..checkpoints import load_backbone, load_checkpoint, load_state_dict
from ..datasets.fingerprint import saved_fingerprint
from ..evaluation import evaluate, extract_features
from ..evaluation.benchmark import FrozenModel
from ..monitors.measures import effective_rank
from ..results.bank import read_bank
from ..results.run import Checkpoint, Run
from . import charts, facts, sections
from .clusters import cluster_sizes
from .pictures import Pictures
from .scalars import Scalars, read_scalars
from .verdict import (
    Score,
    Sign,
    Verdict,
    judge_scores,
    judge_signs,
    sign_of,
)

MAPPED = 1000
CHECKPOINTS = 12
_SIGNS = ('loss', 'intra_loss', 'inter_loss', 'change_ratio')


class Content:
    """All parts of the page, but for those that cannot be made.

    Args:
        run (Run): To report on.
        baseline (Run, optional): To compare it with.
        loading (dict): ``device`` and ``num_workers`` of each extraction.
        progress (Callable): Told in words what is done next.
    """

    def __init__(self, run: Run, baseline: Optional[Run], loading: dict,
                 progress: Callable[[str], None]) -> None:
        self.run = run
        self.baseline = baseline
        self.loading = loading
        self.progress = progress
        self.left_out: List[str] = []

    def gather(self, knn: bool) -> Dict[str, Any]:
        """Measure and draw everything.

        Args:
            knn (bool): Measure accuracies too.

        Returns:
            dict: For the template.

        Raises:
            ValueError: No checkpoint can be read.
        """
        states, last = self._read_checkpoints()
        checkpoint = load_checkpoint(str(last.path))
        state = checkpoint['state_dict']
        self.bank = read_bank(state)
        scalars = read_scalars(self.run.work_dir)
        others = read_scalars(
            self.baseline.work_dir) if self.baseline else None
        scores: List[Score] = []
        if knn:
            scores = self._measure(last)
        scope = self.run.config.get('default_scope')
        pictures = feature_map = None
        ranks: List[float] = []
        with DefaultScope.overwrite_default_scope(scope):
            with self._attempt('Images'):
                pictures = Pictures(self.run.config,
                                    saved_fingerprint(checkpoint))
            with self._attempt('The map of the features'):
                if pictures is not None:
                    feature_map, ranks = self._map(pictures, last)
            content = self._show(pictures)
        signs = _signs(scalars, ranks)
        self.progress('drawing')
        return dict(
            run=self.run,
            baseline=self.baseline,
            left_out=self.left_out,
            last=last,
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
        scores: List[Score] = []
        with self._attempt('Accuracy'):
            scores = [
                self._score('initial weights', self.run, None),
                self._score('this run', self.run, last.path)
            ]
        if self.baseline is not None and scores:
            with self._attempt('Accuracy of the baseline'):
                scores.append(
                    self._score('baseline', self.baseline,
                                self.baseline.last.path))
        return scores

    def _score(self, name: str, run: Run, path: Optional[Path]) -> Score:
        self.progress(f'kNN of {path.name if path else name}, {run.name}')
        result = evaluate(
            run.config, path and str(path), seed=run.seed, **self.loading)
        return Score(name, result['knn'], result['linear'],
                     result['num_test'])

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
        ranks = [
            float(effective_rank(torch.from_numpy(some)))
            for some in features.values()
        ]
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


def _signs(scalars: Scalars, ranks: List[float]) -> List[Sign]:
    signs = [
        sign_of(name, scalars.curves[name]) for name in _SIGNS
        if name in scalars.curves
    ]
    if ranks:
        change = 'rose' if ranks[1] > ranks[0] else 'fell'
        signs.append(Sign('effective rank of the features', *ranks, change))
    return signs


def _judge(scores: List[Score], signs: List[Sign],
           ranks: List[float]) -> Verdict:
    if scores:
        return judge_scores(*scores)
    return judge_signs(signs, ranks[1] if ranks else None)

"""What the page shows, gathered from a run."""
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np
from mmengine.registry import DefaultScope

from ..checkpoints import load_checkpoint, load_state_dict
from ..datasets.fingerprint import saved_fingerprint
from ..evaluation import evaluate
from ..results.bank import read_bank
from ..results.members import cluster_sizes
from ..results.run import Checkpoint, Run
from . import charts, facts, sections
from .cluster_list import list_clusters
from .evidence import Features, compare_features
from .labels import measure_with
from .pictures import Pictures
from .redaction import redact_text
from .scalars import read_scalars
from .side_by_side import Measured, differences, table_of_runs
from .unlabelled import judge_unlabelled, signs_of
from .verdict import Score, judge_scores

CHECKPOINTS = 12


class Content:
    """All parts of the page, but for those that cannot be made.

    Args:
        run (Run): To report on.
        others (Sequence[Run]): To compare it with.
        labels (str, optional): Where the true classes come from, as for
            :func:`~.labels.read_labels`. None: from the data set.
        loading (dict): ``device`` and ``num_workers`` of each extraction.
        progress (Callable): Told in words what is done next.
    """

    def __init__(self, run: Run, others: Sequence[Run],
                 labels: Optional[str], loading: dict,
                 progress: Callable[[str], None]) -> None:
        self.run = run
        self.others = list(others)
        self.labels = labels
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
        self._read_checkpoints()
        runs = [self.run, *self.others]
        scores = self._measure(runs) if knn else []
        found: List[Measured] = []
        for place, run in enumerate(runs):
            rows = self._extract(run, place == 0)
            found.append(
                Measured(run, read_scalars(run.work_dir),
                         scores[place + 1] if len(scores) > place + 1 else
                         None,
                         compare_features(*(list(rows.values()) * 2)[:2])
                         if rows else None))
            if place == 0:
                content = self._show(rows)
        self.progress('drawing')
        first = found[0]
        if scores:
            verdict = judge_scores(*scores)
        else:
            verdict = judge_unlabelled(self.run, first.scalars,
                                       first.evidence)
        return dict(
            run=self.run,
            others=self.others,
            left_out=[redact_text(note) for note in self.left_out],
            last=self.last,
            summary=facts.summary(self.run.config),
            verdict=verdict,
            scores=scores,
            scores_chart=charts.draw_scores(scores) if scores else None,
            evidence=first.evidence,
            signs=signs_of(self.run, first.scalars),
            curves=sections.curves({
                each.run.name: each.scalars
                for each in found
            }),
            unit=first.scalars.unit,
            sizes=sections.sizes(self.history, self.last.unit),
            runs=table_of_runs(found) if self.others else None,
            differences=differences(runs) if self.others else None,
            config=facts.config_text(self.run),
            versions=facts.versions(),
            training_versions=facts.training_versions(self.run),
            **content)

    def _read_checkpoints(self) -> None:
        self.history: Dict[int, List[int]] = {}
        labels: List[np.ndarray] = []
        last: Optional[Checkpoint] = None
        for checkpoint in self.run.spread_checkpoints(CHECKPOINTS):
            self.progress(f'reading {checkpoint.path.name}')
            with self._attempt(checkpoint.path.name):
                state = load_state_dict(str(checkpoint.path))
                last = checkpoint
                sizes = cluster_sizes(state)
                if sizes:
                    self.history[checkpoint.number] = sizes
                    labels.append(read_bank(state).labels.numpy())
        if last is None:
            raise ValueError('no checkpoint can be read: ' +
                             ' '.join(self.left_out))
        self.last = last
        checkpoint = load_checkpoint(str(last.path))
        self.fingerprint = saved_fingerprint(checkpoint)
        self.bank = read_bank(checkpoint['state_dict'])
        if self.bank is not None:  # as the page needs it
            self.bank = replace(self.bank, rows=self.bank.features.float())
        # Where the images were at the kept checkpoint before.
        self.before = labels[-2] if len(labels) > 1 and len(
            labels[-2]) == len(labels[-1]) else None

    def _measure(self, runs: List[Run]) -> List[Score]:
        scores: List[Score] = []
        with self._attempt('Accuracy'):
            scores = [
                self._score('initial weights', self.run, None),
                self._score('this run', self.run, self.last.path)
            ]
        for run in runs[1:] if scores else ():
            with self._attempt(f'Accuracy of {run.name}'):
                scores.append(self._score(run.name, run, run.last.path))
        return scores

    def _score(self, name: str, run: Run, path: Optional[Path]) -> Score:
        self.progress(f'kNN of {path.name if path else name}, {run.name}')
        checkpoint = path and str(path)
        if self.labels is not None:
            result = measure_with(self.labels, run.config, checkpoint,
                                  run.seed, self.loading)
        else:
            result = evaluate(
                run.config, checkpoint, seed=run.seed, **self.loading)
        return Score(name, result['knn'], result['linear'],
                     result['num_test'])

    def _extract(self, run: Run,
                 untrained: bool) -> Dict[str, Dict[str, np.ndarray]]:
        last = self.last if run is self.run else run.last
        with DefaultScope.overwrite_default_scope(
                run.config.get('default_scope')), self._attempt(
                    f'Features of {run.name}'):
            features = Features(run.config, run.seed, self.loading,
                                self.progress)
            after = features.of(last.path)
            rows = {'Initial weights': features.of(None)} if untrained else {}
            self.index = features.index
            return {**rows, f'{last.unit} {last.number}': after}
        return {}

    def _show(self, rows: Dict[str, Dict[str, np.ndarray]]) -> Dict[str, Any]:
        content: Dict[str, Any] = dict.fromkeys(
            ('montage', 'cluster_list', 'company', 'map'))
        scope = self.run.config.get('default_scope')
        with DefaultScope.overwrite_default_scope(scope):
            with self._attempt('Images'):
                pictures = Pictures(self.run.config, self.fingerprint,
                                    self.labels)
                self._show_images(content, pictures, rows)
        return content

    def _show_images(self, content: Dict[str, Any], pictures: Pictures,
                     rows: Dict[str, Dict[str, np.ndarray]]) -> None:
        if rows:
            self.progress('drawing the maps')
            with self._attempt('The map of the features'):
                content['map'] = sections.maps(
                    {title: each['centre'] for title, each in rows.items()},
                    self.index, pictures, self.bank)
        if self.bank is None:
            return
        self.progress('encoding images')
        with self._attempt('Members of clusters'):
            content['montage'] = sections.montage(self.bank, pictures)
            content['cluster_list'] = list_clusters(self.bank, pictures,
                                                    self.before)
        with self._attempt('Queries'):
            content['company'] = sections.company(self.bank, pictures)

    @contextmanager
    def _attempt(self, what: str):
        # One part that cannot be made must not cost the user the others.
        try:
            yield
        except (ImportError, OSError, ValueError) as error:
            folder = f'{self.run.work_dir}{os.sep}'
            self.left_out.append(
                f'{what}: {error}'.replace(folder, ''))

"""Whether the report's verdict without labels agrees with the labels.

    python benchmarks/verdicts.py

Short trainings on digits that learn, collapse, diverge, hardly start or stand
still. Of each the report's verdict is asked for without labels; then kNN on
the test images, which the verdict has not seen, says what it should have
been. Finished trainings are kept: a second call goes on from there. Prints a
Markdown table.
"""
import argparse
import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, NamedTuple

os.environ.setdefault('OMP_NUM_THREADS', '1')

import torch  # noqa: E402
from mmengine.registry import DATASETS, DefaultScope  # noqa: E402

from interclr_plugin.checkpoints import load_backbone  # noqa: E402
from interclr_plugin.datasets import centre_view  # noqa: E402
from interclr_plugin.evaluation import (  # noqa: E402
    extract_features,
    knn_accuracy,
)
from interclr_plugin.evaluation.benchmark import (  # noqa: E402
    FrozenModel,
    test_set,
    true_labels,
)
from interclr_plugin.report.evidence import (  # noqa: E402
    Features,
    compare_features,
)
from interclr_plugin.report.scalars import read_scalars  # noqa: E402
from interclr_plugin.report.unlabelled import judge_unlabelled  # noqa: E402
from interclr_plugin.report.verdict import (  # noqa: E402
    Score,
    compare,
    judge_scores,
)
from interclr_plugin.results.run import Run  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
LR = 'optim_wrapper.optimizer.lr'
# A decay that is stronger than what is learned: all weights go to 0.
COLLAPSE = {LR: 0.03, 'optim_wrapper.optimizer.weight_decay': 3.0}


class Arm(NamedTuple):
    """A training that goes well, or in one way wrong."""
    what: str
    algorithm: str
    library: str
    epochs: int
    changes: Dict[str, float]


ARMS = (
    Arm('learns', 'moco', 'mmselfsup', 20, {}),
    Arm('learns', 'simclr', 'mmpretrain', 20, {}),
    Arm('learns', 'byol', 'mmselfsup', 20, {}),
    Arm('learns', 'simsiam', 'mmpretrain', 20, {}),
    Arm('learns, MoCo alone', 'moco', 'mmpretrain', 20,
        {'model.inter_weight': 0}),
    Arm('collapses', 'moco', 'mmselfsup', 6, COLLAPSE),
    Arm('collapses', 'simsiam', 'mmpretrain', 6, COLLAPSE),
    Arm('diverges', 'simclr', 'mmselfsup', 4, {LR: 1e4}),
    Arm('diverges', 'byol', 'mmpretrain', 4, {LR: 1e4}),
    Arm('too short', 'moco', 'mmselfsup', 1, {}),
    Arm('too short', 'simclr', 'mmpretrain', 1, {}),
    Arm('stands still', 'simsiam', 'mmselfsup', 4, {LR: 0.}),
    Arm('stands still', 'byol', 'mmpretrain', 4, {LR: 0.}),
)


def train(arm: Arm, seed: int, folder: Path) -> None:
    """Train in a process of its own, whose crash is a result too."""
    changes = {
        'train_cfg.max_epochs': arm.epochs,
        'randomness.seed': seed,
        'default_hooks.logger.interval': 5,
        'default_hooks.checkpoint.interval': max(arm.epochs // 4, 1),
        **arm.changes
    }
    config = next((CONFIGS / arm.library).glob(
        f'interclr-{arm.algorithm}_*_digits_{arm.library}.py'))
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, '-m', 'interclr_plugin', 'train', str(config),
        '--work-dir', str(folder), '--cfg-options',
        *(f'{name}={value}' for name, value in changes.items())
    ]
    with open(folder / 'output.txt', 'w') as output:
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)


class Judge:
    """Verdicts with and without labels; untrained networks are shared."""

    def __init__(self) -> None:
        self._untrained = {}

    def judge(self, folder: Path) -> dict:
        """Ask both, the one without labels first."""
        run = Run(str(folder))
        loading = dict(device='cpu', num_workers=0)
        with DefaultScope.overwrite_default_scope(run.config.default_scope):
            key = (run.config.default_scope, run.seed)
            features = Features(run.config, run.seed, loading, print)
            if key not in self._untrained:
                self._untrained[key] = (features.of(None),
                                        self._score('start', run, None))
            before, start = self._untrained[key]
            evidence = None
            try:
                after = features.of(run.last.path)
                evidence = compare_features(before, after)
            except ValueError as error:
                print(error)
            verdict = judge_unlabelled(run, read_scalars(run.work_dir),
                                       evidence)
            end = None
            if evidence is not None:
                end = self._score('end', run, run.last.path)
        # Features that are no numbers know nothing.
        answer = judge_scores(start, end).answer if end else 'no'
        return dict(
            said=verdict.answer,
            why=' '.join(verdict.sentences),
            labels=answer,
            start=start.knn,
            end=end.knn if end else None,
            noise=compare(start, end)[1] if end else None,
            evidence=evidence and evidence._asdict())

    @staticmethod
    def _score(name: str, run: Run, path: Path) -> Score:
        model = FrozenModel(run.config, run.seed)
        if path is not None:
            load_backbone(model.backbone, str(path))
        samples = []
        for part in (run.config.train_dataloader.dataset,
                     test_set(run.config)):
            view = centre_view(DATASETS.build(copy.deepcopy(part)))
            samples += [extract_features(model, view), true_labels(view)]
        return Score(name, knn_accuracy(*samples), 0., len(samples[3]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/verdicts'))
    options = parser.parse_args()
    torch.set_num_threads(1)
    judge, rows, contradictions = Judge(), [], 0
    for seed in options.seeds:
        for arm in ARMS:
            name = re.sub(r'\W+', '-', arm.what)
            folder = options.work_dir / (
                f'{name}-{arm.algorithm}-{arm.library}-{seed}')
            if not list(folder.glob('*.pth')):
                train(arm, seed, folder)
            kept = folder / 'verdict.json'
            if not kept.exists():
                kept.write_text(json.dumps(judge.judge(folder)))
            found = json.loads(kept.read_text())
            contradictions += {found['said'], found['labels']} == {'yes', 'no'}
            rows.append(_row(arm, seed, found))
    print('| run | library | seed | verdict without labels '
          '| second view found | distance of views | effective rank | kNN '
          '| labels say |')
    print('| --- ' * 9 + '|')
    print('\n'.join(rows))
    same = sum('same' in row for row in rows)
    print(f'\n{len(rows)} runs: the same answer in {same}, contradictions '
          f'{contradictions}')


def _row(arm: Arm, seed: int, found: dict) -> str:
    cells = [f'{arm.algorithm}, {arm.what}', arm.library, str(seed),
             found['said']]
    evidence = found['evidence']
    for key, form in (('retrieval', '{:.1%}'), ('closeness', '{:.2f}'),
                      ('rank', '{:.1f}')):
        cells.append(' to '.join(map(form.format, evidence[key]))
                     if evidence else 'NaN')
    if found['end'] is None:
        cells.append(f"{found['start']:.3f} to NaN")
    else:
        cells.append(f"{found['start']:.3f} to {found['end']:.3f} "
                     f"(±{found['noise']:.3f})")
    same = found['said'] == found['labels']
    cells.append(found['labels'] + (', the same' if same else ''))
    return f'| {" | ".join(cells)} |'


if __name__ == '__main__':
    main()

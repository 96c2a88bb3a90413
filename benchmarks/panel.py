"""The panel: one recipe on six image sets, chosen on three of them.

    python benchmarks/study.py panel --sets cifar10 imagenette gtsrb \
        --arms 'MoCo v2' released --seeds 0 1 2
    python benchmarks/study.py panel --table

A cell is a set, an arm and a seed; its result is a small file below
``benchmarks/panel/``, from which any machine goes on. Several calls may run
at once: a cell is locked while it is trained, and one that was killed goes
on from its last epochs. Cells score the validation folds alone; test images
are looked at by ``--confirm`` and nothing else. ``--full`` is the size for a
GPU: all images, the full width, 200 epochs.
"""
import argparse
import copy
import fcntl
import json
import logging
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import torch
import trials
from label_statistics import lend_classes, shares_of_pairs
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from panel_sets import SETS, groups_of, pixels, prepare
from prepared_views import draw_views, use_views, views_folder
from scipy.stats import spearmanr
from studies import PANEL_ARMS
from study import FOLDS, configuration, interval, mean

from interclr_plugin.checkpoints import load_backbone
from interclr_plugin.datasets import centre_view
from interclr_plugin.evaluation import knn_accuracy, linear_accuracy
from interclr_plugin.evaluation.benchmark import FrozenModel, true_labels
from interclr_plugin.evaluation.features import extract_features
from interclr_plugin.inter_image import propose

RESULTS = Path(__file__).with_name('panel')
CHOOSING = ('cifar10', 'imagenette', 'gtsrb')
CHOOSING_SEEDS = (0, 1, 2)
PHOTOGRAPHS = ('cifar10', 'imagenette', 'bloodcells', 'gtsrb')
_LIBRARY = 'mmselfsup'
_SMALL_IMAGES = 'interclr-{}_resnet18_1xb256-coslr-200e_cifar10.py'
_DIGITS = 'interclr-{}_resnet18_1xb64-coslr-50e_digits.py'


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        prog='study.py panel', description=__doc__.splitlines()[0])
    parser.add_argument('--sets', nargs='+', choices=SETS, default=CHOOSING)
    parser.add_argument('--arms', nargs='+', default=['MoCo v2'])
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=CHOOSING_SEEDS)
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/panel'))
    parser.add_argument(
        '--results', type=Path, help='panel/ or panel-full/ beside this file')
    parser.add_argument(
        '--full', action='store_true',
        help='all images at the size that the set has, the full width, 200 '
        'epochs, views drawn while training: for a GPU')
    parser.add_argument(
        '--workers', type=int, default=4, help='that draw the views of --full')
    parser.add_argument(
        '--confirm', action='store_true',
        help='score the test images too: for the one recipe that was chosen')
    parser.add_argument(
        '--cfg-options', nargs='*', default=[], metavar='KEY=NUMBER',
        help='changes to every arm, for tests; not part of the name')
    parser.add_argument(
        '--table', action='store_true', help='of what is there, and no more')
    parser.add_argument('--baseline', default='MoCo v2')
    options = parser.parse_args(arguments)
    if options.full:
        options.work_dir = options.work_dir.with_name(
            f'{options.work_dir.name}-full')
    options.results = options.results or RESULTS.with_name(
        'panel-full' if options.full else 'panel')
    unknown = set(options.arms) - set(PANEL_ARMS)
    if unknown:
        parser.error(f'no arm {sorted(unknown)}; there are '
                     f'{", ".join(map(repr, PANEL_ARMS))}')
    changes = {
        key: json.loads(value)
        for key, value in (pair.split('=', 1)
                           for pair in options.cfg_options)
    }
    if not options.table:
        for seed in options.seeds:
            for name in options.sets:
                for arm in options.arms:
                    run(Cell(name, arm, seed, options, changes))
    results = read_all(options.results)
    print(table(results, options.baseline))
    if options.table:
        print(told_by_logs(results, options.baseline))


class Cell:
    """What is trained once: a set, an arm and a seed."""

    def __init__(self, name: str, arm: str, seed: int,
                 options: argparse.Namespace, changes: dict) -> None:
        self.name, self.arm, self.seed = name, arm, seed
        self.confirm, self.full = options.confirm, options.full
        self.workers = options.workers
        self.changes = changes
        slug = re.sub(r'[^a-z0-9.]+', '-', arm.lower())
        self.result = options.results / name / slug / f'{seed}.json'
        self.folder = options.work_dir / name / slug / str(seed)
        self.views = options.work_dir / 'views'

    def done(self) -> bool:
        if not self.result.exists():
            return False
        return not self.confirm or 'knn' in json.loads(
            self.result.read_text())

    def config(self) -> Config:
        """Write out everything that the cell's training reads."""
        digits = self.name == 'digits'
        arm = dict(PANEL_ARMS[self.arm])
        name = (_DIGITS if digits else _SMALL_IMAGES).format(
            arm.pop('algorithm', 'moco'))
        config = Config.fromfile(configuration(_LIBRARY, name))
        config.merge_from_dict({
            'optim_wrapper.type': 'BFloat16OptimWrapper',
            'randomness.seed': self.seed,
            'default_hooks.checkpoint.interval': 5,
            'default_hooks.checkpoint.max_keep_ckpts': 2,
        })
        if not digits:
            train = config.train_dataloader.dataset
            views = train.pipeline[1]
            views.transforms[0][0].size = pixels(self.name, self.full)
            config.train_dataloader.dataset = dict(
                type='PanelImages',
                name=self.name,
                **(dict(full=True) if self.full else {}),
                pipeline=[views, dict(type='PackSelfSupInputs')])
            config.evaluation.test = dict(split='test')
            config.model.inter_image.update(
                propose(len(groups_of(self.name, self.full))))
        if self.full:
            config.train_dataloader.num_workers = self.workers
        elif not digits:
            config.merge_from_dict({
                'train_cfg.max_epochs': 30,
                'param_scheduler.0.T_max': 30,
                'param_scheduler.0.end': 30,
                'train_dataloader.num_workers': 0,
                'train_dataloader.batch_size': 64,
                'model.backbone.base_channels': 16,
                'model.backbone.stem_channels': 16,
                'model.neck.in_channels': 128,
            })
            if 'neck' in config.model.inter_image:
                config.model.inter_image.neck.in_channels = 128
        config.merge_from_dict(arm)
        labels = config.model.inter_image.get('labels', {})
        if 'type' in labels:
            # What `propose` gives is of online labels.
            labels.pop('min_cluster_size', None)
        if labels.get('type') == 'TrueClasses':
            config.model.inter_image.num_clusters = num_classes(self)
        for part in ('sampler', 'labels'):
            part = config.model.inter_image.get(part, {})
            if part.get('type') in ('NeighbourSampler', 'WhitenedKMeans'):
                part.feat_dim = config.model.neck.out_channels
            if 'average' in part:
                part.num_images = (
                    1500 if digits else len(groups_of(self.name, self.full)))
        config.merge_from_dict(self.changes)
        return config


def num_classes(cell: Cell) -> int:
    if cell.name == 'digits':
        return 10
    with np.load(prepare(cell.name, cell.full)) as arrays:
        return int(arrays['train_classes'].max()) + 1


def run(cell: Cell) -> None:
    """Train and score a cell, unless it is finished or another call's."""
    if cell.done():
        return
    cell.folder.mkdir(parents=True, exist_ok=True)
    with open(cell.folder / 'lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not cell.done():
            print(time.strftime('%H:%M'), cell.name, cell.arm, cell.seed,
                  flush=True)
            train(cell)


def train(cell: Cell) -> None:
    version = commit()
    logging.disable(logging.INFO)
    config = cell.config()
    if not cell.full:
        torch.set_num_threads(1)
        prepare_views(cell, config)
    epochs = config.train_cfg.max_epochs
    config.work_dir = str(cell.folder)
    config.experiment_name = str(cell.folder)
    config.resume = any(cell.folder.glob('epoch_*.pth'))
    config.visualizer = None
    clock = Clock(cell.folder / 'epochs.jsonl')
    runner = Runner.from_cfg(config)
    runner.model.to(memory_format=torch.channels_last)
    runner.register_hook(clock)
    lend_classes(runner)
    trials.lend(runner.model)
    runner.train()
    checkpoint = str(cell.folder / f'epoch_{epochs}.pth')
    before = json.loads(cell.result.read_text()) if cell.done() else {}
    scores = score(cell, checkpoint)
    cell.result.parent.mkdir(parents=True, exist_ok=True)
    cell.result.write_text(
        json.dumps(
            dict(
                before,
                set=cell.name,
                arm=cell.arm,
                seed=cell.seed,
                changes=PANEL_ARMS[cell.arm],
                commit=version,
                threads=torch.get_num_threads(),
                **scores,
                **clock.summary()),
            indent=1) + '\n')


def prepare_views(cell: Cell, config: Config) -> None:
    views = views_folder(config, cell.seed, cell.views)
    cell.views.mkdir(parents=True, exist_ok=True)
    with open(f'{views}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another cell may be drawing them
        if not views.exists():
            draw_views(config, cell.seed, views)
    use_views(config, views)


def commit() -> str:
    return subprocess.run(['git', 'describe', '--always', '--dirty'],
                          cwd=Path(__file__).parent,
                          stdout=subprocess.PIPE,
                          universal_newlines=True).stdout.strip()


class Clock(Hook):
    """Write down, epoch by epoch, time and how good labels and pairs are.

    Args:
        path (Path): A line for each epoch; a cell that was killed goes on
            with the lines of the epochs that its checkpoint has.
    """

    priority = 'LOW'

    def __init__(self, path: Path) -> None:
        self.path = path

    def before_train(self, runner: Runner) -> None:
        kept = []
        if self.path.exists():
            kept = self.path.read_text().splitlines()[:runner.epoch]
        self.path.write_text(''.join(f'{line}\n' for line in kept))
        self.changed, self.losses = [], []
        self.started = time.process_time(), time.time()

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs=None) -> None:
        if 'change_ratio' in outputs:
            self.changed.append(outputs['change_ratio'].detach())
        if 'inter_loss' in outputs:
            self.losses.append(outputs['inter_loss'].detach())

    def after_train_epoch(self, runner: Runner) -> None:
        now = time.process_time(), time.time()
        line = dict(
            epoch=runner.epoch + 1,
            cpu_seconds=round(now[0] - self.started[0], 1),
            seconds=round(now[1] - self.started[1], 1))
        for name, values in (('change_ratio', self.changed),
                             ('inter_loss', self.losses)):
            if values:
                line[name] = round(float(torch.stack(values).mean()), 4)
                values.clear()
        if (runner.epoch + 1) % 5 == 0 or (runner.epoch + 1 ==
                                           runner.max_epochs):
            classes = torch.from_numpy(
                true_labels(runner.train_dataloader.dataset))
            branch = runner.model.inter_image
            found = shares_of_pairs(branch.sampler, branch.bank.features,
                                    branch.bank.labels, classes)
            line.update(
                zip(('positives', 'negatives'),
                    (round(share, 4) for share in found)))
        with open(self.path, 'a') as file:
            file.write(json.dumps(line) + '\n')
        self.started = time.process_time(), time.time()

    def summary(self) -> dict:
        lines = [json.loads(x) for x in self.path.read_text().splitlines()]
        return dict(
            cpu_seconds=round(sum(x['cpu_seconds'] for x in lines)),
            seconds=round(sum(x['seconds'] for x in lines)),
            epochs=lines)


def features_of(config: Config, checkpoint: str, **changes) -> tuple:
    """Pooled features of a split's test-time views, and true classes."""
    init_default_scope(config.default_scope)
    model = FrozenModel(config, 0)
    load_backbone(model.backbone, checkpoint)
    dataset = copy.deepcopy(config.train_dataloader.dataset.to_dict())
    dataset.update(changes)
    view = centre_view(DATASETS.build(dataset))
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return extract_features(model, view, device=device), true_labels(view)


def score(cell: Cell, checkpoint: str) -> Dict[str, float]:
    """Score the validation folds, and with ``--confirm`` the test images."""
    config = cell.config()
    features, classes = features_of(config, checkpoint)
    parts = folds_of(cell, features, classes)
    scores = {
        'knn_validation':
        statistics.mean(knn_accuracy(*part) for part in parts),
        'linear_validation':
        statistics.mean(linear_accuracy(*part) for part in parts),
    }
    if cell.confirm:
        test = features_of(config, checkpoint, split='test')
        scores['knn'] = knn_accuracy(features, classes, *test)
        scores['linear'] = linear_accuracy(features, classes, *test)
    return scores


def folds_of(cell: Cell, features: np.ndarray,
             classes: np.ndarray) -> List[tuple]:
    """Give what probes take, for each fold: the others, and itself."""
    if cell.name == 'digits':
        fold = np.arange(len(classes)) % FOLDS
    else:
        # What shows one object stays together.
        fold = groups_of(cell.name, cell.full)[:len(classes)] % FOLDS
    return [(features[fold != i], classes[fold != i], features[fold == i],
             classes[fold == i]) for i in range(FOLDS)]


def read_all(folder: Path) -> List[dict]:
    return [
        json.loads(path.read_text()) for path in sorted(
            folder.glob('*/*/*.json'))
    ]


def table(results: List[dict], baseline: str) -> str:
    """Write means, and paired differences from the baseline."""
    measures = ('knn_validation', 'linear_validation', 'knn', 'linear')
    titles = ('kNN, validation', 'linear, validation', 'kNN, test',
              'linear, test')
    cells = {(r['set'], r['arm'], r['seed']): r for r in results}
    plain = baselines(results, baseline)
    there = {r['arm'] for r in results}
    # Those on trial may be gone, and their results stay.
    arms = [arm for arm in PANEL_ARMS if arm in there]
    arms += sorted(there - set(arms))
    lines = [
        '| set | arm | seeds | ' + ' | '.join(titles[:2]) + ' | ' +
        ' | '.join(f'{title}: less {baseline}' for title in titles) +
        ' | change_ratio, last | right: positives, negatives | CPU s |',
        '| --- ' * 12 + '|'
    ]
    for name, sets in (*((name, [name]) for name in SETS),
                       ('photographs together', PHOTOGRAPHS)):
        for arm in arms:
            mine = [r for key, r in sorted(cells.items())
                    if key[0] in sets and key[1] == arm]
            if len({r['set'] for r in mine}) < min(len(sets), 2):
                continue
            seeds = sorted({r['seed'] for r in mine})
            row = [name, arm, ' '.join(map(str, seeds))]
            row += [mean([r[m] for r in mine]) for m in measures[:2]]
            for measure in measures:
                pairs = [
                    r[measure] - plain[r['set'], r['seed']][measure]
                    for r in mine if measure in r
                    and measure in plain.get((r['set'], r['seed']), ())
                ]
                if arm == baseline or not pairs:
                    row.append('')
                elif len(pairs) == 1:
                    row.append(f'{pairs[0]:+.4f}')
                else:
                    row.append('{:+.4f} [{:+.4f}, {:+.4f}]'.format(
                        *interval(pairs)))
            last = [r['epochs'][-1] for r in mine]
            changed, positives, negatives = (
                statistics.mean(x.get(key, 0) for x in last)
                for key in ('change_ratio', 'positives', 'negatives'))
            seconds = statistics.median(r['cpu_seconds'] for r in mine)
            row += [f'{changed:.2f}', f'{positives:.3f}, {negatives:.3f}',
                    f'{seconds:.0f}']
            lines.append('| ' + ' | '.join(row) + ' |')
    return '\n'.join(lines)


def baselines(results: List[dict], baseline: str) -> Dict[tuple, dict]:
    """Give the baseline's result of each set and seed."""
    return {(r['set'], r['seed']): r for r in results
            if r['arm'] == baseline}


def told_by_logs(results: List[dict], baseline: str) -> str:
    """Tell how far what is logged without labels goes with the gain.

    The share of right positives, which needs labels, stands beside it. Arms
    that are no branch, and those that know the classes, are left out.
    """
    plain = baselines(results, baseline)
    runs = [(r, plain[r['set'], r['seed']]) for r in results
            if (r['set'], r['seed']) in plain and r['arm'] != 'true classes'
            and not r['arm'].startswith(baseline)]
    lines = [
        f'| {len(runs)} runs: Spearman correlation with the gain (p) | kNN | '
        'linear |', '| --- | --- | --- |'
    ]
    for title, epoch, key in (
            ('change_ratio, last epoch', -1, 'change_ratio'),
            ('change_ratio, epoch 10', 9, 'change_ratio'),
            ('loss of the branch, last epoch', -1, 'inter_loss'),
            ('share of right positives, last epoch', -1, 'positives')):
        row = [title]
        for measure in ('knn_validation', 'linear_validation'):
            found = spearmanr([r['epochs'][epoch][key] for r, _ in runs],
                              [r[measure] - b[measure] for r, b in runs])
            row.append(f'{found.statistic:+.2f} ({found.pvalue:.2f})')
        lines.append('| ' + ' | '.join(row) + ' |')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()

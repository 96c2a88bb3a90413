"""Train a grid of configurations x seeds, and compare them in pairs.

    python benchmarks/study.py digits --seeds 0 1 2 3 4

``studies.py`` names the studies. Cells that are finished are kept, so a
second call goes on from there, and more seeds add to what is there. Writes
``table.md``, ``results.json`` and ``differences.png`` to the study's folder.
"""
import argparse
import contextlib
import hashlib
import json
import logging
import math
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Iterator

# One thread a training: the cells run side by side.
os.environ['OMP_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402
import torch  # noqa: E402
from label_statistics import LabelWatch, shares_of_one_class  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.optim import OptimWrapper  # noqa: E402
from mmengine.registry import DATASETS, OPTIM_WRAPPERS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from prepared_views import draw_views, use_views, views_folder  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.live import Live  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy import stats  # noqa: E402
from studies import STUDIES  # noqa: E402

from interclr_plugin.evaluation import evaluate  # noqa: E402

LIBRARIES = ('mmselfsup', 'mmpretrain')
CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
# Validation: parts of the training images against the others. Settings are
# chosen by it, so that the test images stay unseen.
MEASURES = {
    'knn': 'kNN, test',
    'linear': 'linear, test',
    'knn_validation': 'kNN, validation',
    'linear_validation': 'linear, validation',
}
FOLDS = 3


def main() -> None:
    if sys.argv[1:2] == ['panel']:
        import panel
        panel.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('study', choices=sorted(STUDIES))
    parser.add_argument('--seeds', type=int, nargs='+', default=range(5))
    parser.add_argument('--libraries', nargs='+', default=LIBRARIES)
    parser.add_argument('--arms', nargs='+', help='only these, by name')
    parser.add_argument(
        '--baseline', help='arm that the others are compared with; '
        'by default the first')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/studies'))
    parser.add_argument(
        '--live-views',
        action='store_true',
        help='draw views while training: where those of all epochs would not '
        'fit the disk')
    options = parser.parse_args()
    every = list(STUDIES[options.study])
    options.baseline = options.baseline or every[0]
    for arm in (*(options.arms or ()), options.baseline):
        if arm not in every:
            parser.error(f'{options.study} has no arm {arm!r}; it has '
                         + ', '.join(map(repr, every)))
    arms = [arm for arm in every if arm in (options.arms or every)]
    cells = [
        dict(
            study=options.study,
            library=library,
            arm=arm,
            seed=seed,
            live_views=options.live_views,
            work_dir=str(options.work_dir)) for seed in options.seeds
        for library in options.libraries for arm in arms
        if has_configuration(options.study, library, arm)
    ]
    results = run_all(cells, options.jobs)
    report(results, every, options)


def has_configuration(study: str, library: str, arm: str) -> bool:
    return configuration(library, STUDIES[study][arm][0]).exists()


def configuration(library: str, name: str) -> Path:
    return CONFIGS / library / f"{name[:-len('.py')]}_{library}.py"


def run_all(cells: list, jobs: int) -> list:
    """Run what is not finished yet, with a table of how far it is."""
    todo = [cell for cell in cells if not result_path(cell).exists()]
    started = time.time()
    with multiprocessing.get_context('fork').Pool(
            jobs, maxtasksperchild=1) as pool, Live(
                console=Console(), refresh_per_second=1) as live:
        wanted = {}
        for cell in todo:
            if cell['live_views']:
                continue
            folder = views_folder(*views_of(cell))
            if not folder.exists():
                wanted.setdefault(folder, cell)
        for phase, work, items in (('views', draw, list(wanted.values())),
                                   ('trainings', train, todo)):
            done = []
            for cell in pool.imap_unordered(work, items):
                done.append(cell)
                live.update(
                    progress(phase, done, items, time.time() - started))
    return [read(cell) for cell in cells]


def read(cell: dict) -> dict:
    return dict(json.loads(result_path(cell).read_text()), **cell)


def finished(study: str, work_dir: Path) -> list:
    """Give the cells of a study that are done, of any seed below 100."""
    cells = (
        dict(
            study=study,
            library=library,
            arm=arm,
            seed=seed,
            work_dir=str(work_dir)) for library in LIBRARIES
        for arm in STUDIES[study] for seed in range(100))
    return [read(cell) for cell in cells if result_path(cell).exists()]


def progress(phase: str, done: list, items: list, seconds: float) -> Table:
    table = Table(title=f'{phase}: {len(done)} of {len(items)}, '
                  f'{seconds / 60:.1f} minutes')
    for column in ('library', 'arm', 'seed'):
        table.add_column(column)
    for cell in done[-8:]:
        table.add_row(cell['library'], cell['arm'], str(cell['seed']))
    return table


def result_path(cell: dict) -> Path:
    # Named by what was trained: studies share the arms that they have alike.
    name, changes = STUDIES[cell['study']][cell['arm']]
    text = '+'.join(
        [name[:-len('.py')], *(f'{k}={v}' for k, v in changes.items())])
    if len(text) > 250:  # the longest name that a folder can have
        text = name[:-len('.py')] + '+' + hashlib.sha256(
            text.encode()).hexdigest()[:16]
    return Path(cell['work_dir'], cell['library'], text.replace('/', '_'),
                str(cell['seed']), 'result.json')


def load(cell: dict) -> Config:
    name, changes = STUDIES[cell['study']][cell['arm']]
    config = Config.fromfile(configuration(cell['library'], name))
    config.merge_from_dict(
        dict(changes, **{'randomness.seed': cell['seed']}))
    return config


def views_of(cell: dict) -> tuple:
    return load(cell), cell['seed'], Path(cell['work_dir'], 'views')


def draw(cell: dict) -> dict:
    config, seed, root = views_of(cell)
    draw_views(config, seed, views_folder(config, seed, root))
    return cell


def train(cell: dict) -> dict:
    """Train and evaluate one cell."""
    config = load(cell)
    path = result_path(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cell['live_views']:
        use_views(config, views_folder(*views_of(cell)))
    epochs = config.train_cfg.max_epochs
    config.work_dir = str(path.parent)
    config.experiment_name = str(path.parent)
    config.default_hooks.checkpoint.update(interval=epochs)
    watch = LabelWatch()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    started = time.process_time()
    runner = Runner.from_cfg(config)
    # Convolutions on the CPU copy their input to this layout otherwise: a
    # training step of a narrow ResNet takes two thirds of the time.
    runner.model.to(memory_format=torch.channels_last)
    runner.register_hook(watch)
    runner.train()
    seconds = time.process_time() - started
    checkpoint = str(path.parent / f'epoch_{epochs}.pth')
    path.write_text(
        json.dumps(
            dict(
                cell,
                **evaluate(load(cell), checkpoint),
                **validate(load(cell), checkpoint),
                cpu_seconds=seconds,
                epochs=watch.epochs)))
    return cell


def validate(config: Config, checkpoint: str) -> dict:
    """Score each part of the training images by the others, averaged."""
    dataset = config.train_dataloader.dataset
    indices = dataset.get('indices') or len(DATASETS.build(dataset))
    indices = np.arange(indices) if np.isscalar(indices) else np.array(indices)
    scores = []
    for fold in range(FOLDS):
        others = np.arange(len(indices)) % FOLDS != fold
        dataset.indices = indices[others].tolist()
        scores.append(
            evaluate(
                config,
                checkpoint,
                test_options=dict(
                    indices=indices[fold::FOLDS].tolist())))
    return {
        f'{name}_validation': statistics.mean(s[name] for s in scores)
        for name in ('knn', 'linear')
    }


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Mixed precision on the CPU too, where ``AmpOptimWrapper`` refuses.

    bfloat16 has float32's range, so that no loss is scaled.
    """

    @contextlib.contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(
                device, torch.bfloat16):
            yield


def report(results: list, arms: list, options: argparse.Namespace) -> None:
    """Write and print means, and differences from the baseline."""
    folder = options.work_dir / 'tables' / options.study
    folder.mkdir(parents=True, exist_ok=True)
    baseline = options.baseline
    (folder / 'results.json').write_text(json.dumps(results, indent=1))
    scores = {(r['library'], r['arm'], r['seed']): r for r in results}
    lines = [
        '| library | arm | seeds | ' + ' | '.join(MEASURES.values()) +
        ' | NMI of the labels, first and last epoch | change_ratio, last | '
        'share of one class: positives, negatives | CPU seconds |',
        '| --- ' * (len(MEASURES) + 7) + '|'
    ]
    differences = []
    for library in options.libraries:
        for arm in arms:
            cells = [
                cell for (where, name, _), cell in scores.items()
                if where == library and name == arm
            ]
            if not cells:
                continue
            lines.append(f'| {library} | {arm} | {len(cells)} | ' +
                         ' | '.join(
                             mean([cell[name] for cell in cells])
                             for name in MEASURES) + ' | ' +
                         label_columns(cells) + ' |')
            pairs = [(scores.get((library, baseline, cell['seed'])), cell)
                     for cell in cells]
            pairs = [pair for pair in pairs if pair[0] is not None]
            if arm != baseline and len(pairs) > 1:
                differences.append(
                    (library, arm, len(pairs), {
                        name: interval([b[name] - a[name] for a, b in pairs])
                        for name in MEASURES
                    }))
    lines += [
        '', f'Difference from {baseline!r}, same seed and views: mean and 95 '
        '% interval.', '',
        '| library | arm | seeds | ' + ' | '.join(MEASURES.values()) + ' |',
        '| --- ' * (len(MEASURES) + 3) + '|'
    ]
    for library, arm, count, values in differences:
        lines.append(f'| {library} | {arm} | {count} | ' + ' | '.join(
            '{:+.4f} [{:+.4f}, {:+.4f}]'.format(*value)
            for value in values.values()) + ' |')
    (folder / 'table.md').write_text('\n'.join(lines) + '\n')
    if differences:
        plot(differences, baseline, folder / 'differences.png')
    print('\n'.join(lines))


def label_columns(cells: list) -> str:
    seconds = statistics.median(cell['cpu_seconds'] for cell in cells)
    if not cells[0]['epochs']:
        return f' | | | {seconds:.0f}'
    first, last = (statistics.mean(c['epochs'][i]['nmi'] for c in cells)
                   for i in (0, -1))
    changed = statistics.mean(c['epochs'][-1]['change_ratio'] for c in cells)
    shares = (
        shares_of_one_class(load(cell), checkpoint_of(cell)) for cell in cells)
    positives, negatives = map(statistics.mean, zip(*shares))
    return (f'{first:.2f}, {last:.2f} | {changed:.2f} | {positives:.3f}, '
            f'{negatives:.3f} | {seconds:.0f}')


def checkpoint_of(cell: dict) -> str:
    checkpoint, = result_path(cell).parent.glob('epoch_*.pth')
    return str(checkpoint)


def mean(values: list) -> str:
    """Mean and its standard error."""
    if len(values) < 2:
        return f'{values[0]:.4f}'
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f'{statistics.mean(values):.4f} ± {error:.4f}'


def interval(values: list) -> tuple:
    """Mean, and the ends of its 95 % interval by Student's t."""
    centre = statistics.mean(values)
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = stats.t.ppf(0.975, len(values) - 1) * error
    return centre, centre - half, centre + half


def plot(differences: list, baseline: str, path: Path) -> None:
    from matplotlib.figure import Figure
    names = [f'{library}: {arm}' for library, arm, _, _ in differences]
    figure = Figure(figsize=(9, 1 + 0.3 * len(names)), layout='constrained')
    for axes, (name, title) in zip(
            figure.subplots(1, len(MEASURES), sharey=True), MEASURES.items()):
        values = np.array([row[-1][name] for row in differences])
        axes.errorbar(
            values[:, 0],
            range(len(names)),
            xerr=(values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]),
            fmt='o')
        axes.axvline(0, color='grey', linewidth=0.8)
        axes.set_title(title, fontsize=9)
        axes.set_yticks(range(len(names)), names)
    figure.supxlabel(f'difference from {baseline}, 95 % interval')
    figure.savefig(path, dpi=120)


if __name__ == '__main__':
    # `panel` reads this module too: the same one, not a second copy.
    sys.modules['study'] = sys.modules['__main__']
    main()

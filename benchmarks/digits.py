"""Step times and scores of InterCLR and MoCo v2 on digits through mim train.

    python benchmarks/digits.py --seeds 0 1 2 3 4

For each scope and seed the two delivered configurations are trained side by
side through ``mim train``, one core each, and their last checkpoints
evaluated. Finished cells are kept: a second call goes on from there. Prints a
Markdown table and writes ``results.json`` to the work directory.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

from interclr_plugin.evaluation import evaluate

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
METHODS = {
    'MoCo v2': 'moco_resnet18_1xb64-coslr-50e_digits_{}.py',
    'InterCLR': 'interclr-moco_resnet18_1xb64-coslr-50e_digits_{}.py',
}
EPOCHS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, nargs='+', default=range(5))
    parser.add_argument(
        '--scopes', nargs='+', default=['mmselfsup', 'mmpretrain'])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/digits'))
    parser.add_argument(
        '--cfg-options',
        nargs='*',
        default=[],
        help='changes to the InterCLR configuration, to study them')
    options = parser.parse_args()
    options.work_dir.mkdir(parents=True, exist_ok=True)

    cells = []
    for scope in options.scopes:
        for seed in options.seeds:
            cells.extend(train_pair(scope, seed, options))
    (options.work_dir / 'results.json').write_text(json.dumps(cells, indent=1))
    print(table(cells, options.scopes))


def train_pair(scope: str, seed: int, options: argparse.Namespace) -> list:
    """Train both methods at the same time, then evaluate them."""
    processes, cells = [], []
    for method, name in METHODS.items():
        folder = options.work_dir / f'{scope}-{method.split()[0]}-{seed}'
        config = CONFIGS / scope / name.format(scope)
        cells.append((method, config, folder))
        if not (folder / f'epoch_{EPOCHS}.pth').exists():
            processes.append(start(scope, config, folder, seed, options))
    for process in processes:
        if process.wait():
            raise SystemExit(f'Failed: {" ".join(map(str, process.args))}')
    return [
        cell(scope, seed, method, config, folder)
        for method, config, folder in cells
    ]


def start(scope: str, config: Path, folder: Path, seed: int,
          options: argparse.Namespace) -> subprocess.Popen:
    """Start a training with one thread, its output in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    changes = [f'randomness.seed={seed}', 'default_hooks.logger.interval=1']
    if 'interclr' in config.name:
        changes += options.cfg_options
    command = [
        sys.executable, '-m', 'mim', 'train', scope, config, '--work-dir',
        folder, '--gpus', '0', '--resume', '--cfg-options', *changes
    ]
    with open(folder / 'output.log', 'w') as output:
        return subprocess.Popen(
            list(map(str, command)),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, OMP_NUM_THREADS='1'))


def cell(scope: str, seed: int, method: str, config: Path,
         folder: Path) -> dict:
    """Evaluate one training, or read what an earlier call found."""
    path = folder / 'result.json'
    if path.exists():
        return json.loads(path.read_text())
    checkpoint = folder / f'epoch_{EPOCHS}.pth'
    result = dict(
        scope=scope,
        seed=seed,
        method=method,
        seconds_per_step=statistics.median(step_times(folder)),
        **evaluate(str(config), str(checkpoint)))
    path.write_text(json.dumps(result))
    return result


def step_times(folder: Path) -> list:
    """Read the seconds of each step from the run's log."""
    times = []
    for log in folder.glob('*/vis_data/scalars.json'):
        for line in log.read_text().splitlines():
            times.append(json.loads(line).get('time'))
    return [time for time in times if time is not None]


def table(cells: list, scopes: list) -> str:
    """Means over seeds, with standard errors."""
    rows = [
        '| scope | method | kNN | linear | seconds a step | seeds |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    for scope in scopes:
        for method in METHODS:
            chosen = [
                c for c in cells
                if c['scope'] == scope and c['method'] == method
            ]
            steps = statistics.median(c['seconds_per_step'] for c in chosen)
            rows.append(f'| {scope} | {method} | {mean(chosen, "knn")} | '
                        f'{mean(chosen, "linear")} | {steps:.4f} | '
                        f'{len(chosen)} |')
        pairs = list(
            zip(*([c for c in cells
                   if c['scope'] == scope and c['method'] == method]
                  for method in METHODS)))
        ratio = statistics.median(b['seconds_per_step'] /
                                  a['seconds_per_step'] for a, b in pairs)
        gains = {
            name: mean([{
                name: b[name] - a[name]
            } for a, b in pairs], name)
            for name in ('knn', 'linear')
        }
        rows.append(f'| {scope} | difference, ratio | {gains["knn"]} | '
                    f'{gains["linear"]} | {ratio:.3f} | {len(pairs)} |')
    return '\n'.join(rows)


def mean(cells: list, name: str) -> str:
    values = [c[name] for c in cells]
    error = 0.
    if len(values) > 1:
        error = statistics.stdev(values) / math.sqrt(len(values))
    return f'{statistics.mean(values):.4f} ± {error:.4f}'


if __name__ == '__main__':
    main()

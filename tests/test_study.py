"""The study command: what it trains, keeps and compares."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from interclr_plugin.publish import publish

pytestmark = [pytest.mark.slow, pytest.mark.matrix]
BENCHMARKS = Path(__file__).resolve().parents[1] / 'benchmarks'
# A study of seconds: the real cells, smaller.
PROGRAM = """
import sys
sys.path.insert(0, {path!r})
import studies
small = {{
    'train_cfg.max_epochs': 1,
    'train_dataloader.dataset.indices': 128,
    'model.inter_image.sampler.num_negatives': 8,
    'model.inter_image.num_clusters': 4,
}}
config = studies._INTERCLR
studies.STUDIES['small'] = {{
    'alone': (config, {{**small, 'model.inter_weight': 0.0}}),
    'with': (config, small),
}}
import study
sys.argv[1:] = ['small', '--libraries', 'mmselfsup', '--jobs', '2',
                '--work-dir', {work_dir!r}, '--seeds', *{seeds!r}]
study.main()

from pathlib import Path
import zoo
zoo.DOCS = Path({work_dir!r})
Path({work_dir!r}, 'zoo.md').write_text(
    zoo.study_part('small', Path({work_dir!r})))
"""


def run(work_dir, *seeds):
    text = PROGRAM.format(
        path=str(BENCHMARKS), work_dir=str(work_dir), seeds=seeds)
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', text],
        env=dict(os.environ, PYTHONPATH=str(BENCHMARKS.parent)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)
    assert run.returncode == 0, run.stdout[-4000:]
    return {path: path.stat().st_mtime_ns
            for path in work_dir.glob('mmselfsup/*/*/result.json')}


def test_a_study(tmp_path):
    """Without it cells could be trained twice or mixed up, and differences
    be taken between different seeds."""
    before = run(tmp_path, '0', '1')
    assert len(before) == 4
    after = run(tmp_path, '0', '1', '2')
    assert len(after) == 6 and before.items() <= after.items()

    tables = tmp_path / 'tables/small'
    results = json.loads((tables / 'results.json').read_text())
    cells = {(cell['arm'], cell['seed']): cell for cell in results}
    assert len(cells) == len(results) == 6
    for path in after:
        found = json.loads(path.read_text())
        assert cells[found['arm'], found['seed']]['knn'] == found['knn']
    text = (tables / 'table.md').read_text()
    zoo = (tmp_path / 'zoo.md').read_text()
    for measure in ('knn', 'linear', 'knn_validation', 'linear_validation'):
        alone, added = (
            [cells[arm, seed][measure] for seed in range(3)]
            for arm in ('alone', 'with'))
        assert all(0 < value < 1 for value in alone + added)
        for scores in (alone, added):
            score = '{:.4f} ± {:.4f}'.format(
                np.mean(scores), stats.sem(scores))
            assert score in text and score in zoo
        difference = stats.ttest_rel(added, alone)
        low, high = difference.confidence_interval(0.95)
        assert '{:+.4f} [{:+.4f}, {:+.4f}]'.format(
            np.subtract(added, alone).mean(), low, high) in text
    assert (tables / 'differences.png').stat().st_size > 10000
    assert '--seeds 0 1 2\n' in zoo
    for number, path in enumerate(after):
        target = tmp_path / f'{number}/published.pth'
        digest = publish(str(path.with_name('epoch_1.pth')), str(target))
        assert f'`{digest[:8]}`' in zoo
    assert len(list((tmp_path / 'model_zoo').iterdir())) == 2
    # Both arms of a seed see the same views, and seeds differ.
    assert len(list((tmp_path / 'views').iterdir())) == 3

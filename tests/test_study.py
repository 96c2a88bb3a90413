"""The study command: what it trains, keeps and compares."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from interclr_plugin.checkpoints import publish

pytestmark = pytest.mark.matrix
BENCHMARKS = Path(__file__).resolve().parents[1] / 'benchmarks'
# A study of seconds: the real cells, smaller.
PROGRAM = """
import sys
import studies
small = {{
    'optim_wrapper.type': 'BFloat16OptimWrapper',
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
                '--work-dir', {work_dir!r}, '--seeds', *{more!r}]
study.main()

from pathlib import Path
import zoo
zoo.DOCS = Path({work_dir!r})
Path({work_dir!r}, 'zoo.md').write_text(
    zoo.study_part('small', Path({work_dir!r})))
"""


def run(work_dir, *seeds_and_options):
    command(PROGRAM.format(work_dir=str(work_dir), more=seeds_and_options))
    return {path: path.stat().st_mtime_ns
            for path in work_dir.glob('mmselfsup/*/*/result.json')}


def command(text):
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', text],
        env=dict(os.environ, PYTHONPATH=f'{BENCHMARKS.parent}:{BENCHMARKS}'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)
    assert run.returncode == 0, run.stdout[-4000:]
    return run.stdout


@pytest.mark.slow
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
    with_labels = next(
        line for line in text.splitlines() if '| with |' in line)
    assert re.search(r'\| 0\.\d{3}, 0\.\d{3} \| \d+ \|$', with_labels)
    assert (tables / 'differences.png').stat().st_size > 10000
    assert '--seeds 0 1 2 --libraries mmselfsup\n' in zoo
    for number, path in enumerate(after):
        target = tmp_path / f'{number}/published.pth'
        digest = publish(str(path.with_name('epoch_1.pth')), str(target))
        assert f'`{digest[:8]}`' in zoo
    assert len(list((tmp_path / 'model_zoo').iterdir())) == 2
    live = run(tmp_path / 'live', '0', '--live-views')
    assert len(live) == 2 and not (tmp_path / 'live/views').exists()
    # Both arms of a seed see the same views, and seeds differ.
    assert len(list((tmp_path / 'views').iterdir())) == 3
    folders = [str(path.parent) for path in after]
    said = command(f'import label_statistics as it; it.main({folders!r})')
    assert re.search(r'\| 25 \| 0\.\d{3} \|\n', said)
    assert re.search(r'\| nearest neighbour alone \| 0\.\d{3} \|\n', said)


CHECKS = """
import numpy as np
import torch
from label_statistics import (TrueClasses, share_for, share_of_nearest,
                              shares_of_one_class)
from mmengine.config import Config
from study import BFloat16OptimWrapper, CONFIGS

# Mixed precision inside the step alone, weights in float32.
layer = torch.nn.Linear(2, 2)
wrapper = BFloat16OptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.))
with wrapper.optim_context(layer):
    assert layer(torch.ones(1, 2)).dtype == torch.bfloat16
assert layer(torch.ones(1, 2)).dtype == layer.weight.dtype == torch.float32

config = Config.fromfile(
    CONFIGS / 'mmselfsup' /
    'interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py')
config.train_dataloader.dataset.indices = 100
config.model.inter_image.sampler.update(strategy='hard', num_negatives=3)
from sklearn.datasets import load_digits
classes = load_digits().target[:100]
random = np.random.RandomState(0)
rows = random.randn(100, 8)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
labels = random.randint(0, 4, 100)

def shares(labels):
    torch.save({{
        'inter_image.bank.features': torch.tensor(rows),
        'inter_image.bank.status': torch.tensor(2),
        'inter_image.bank.labels': torch.tensor(labels),
        'inter_image.bank.centroids': torch.zeros(10, 8),
        'inter_image.bank.step': torch.tensor(0)
    }}, {work_dir!r} + '/epoch_1.pth')
    return shares_of_one_class(config, {work_dir!r} + '/epoch_1.pth')

assert shares(classes) == (1, 0)
hits = [
    classes[i] == classes[j] for i in range(100)
    for j in sorted((j for j in range(100) if labels[j] != labels[i]),
                    key=lambda j: -rows[i] @ rows[j])[:3]
]
positives, negatives = shares(labels)
assert abs(negatives - np.mean(hits)) < 1e-6
right = [(classes[labels == labels[i]] == classes[i]).sum() - 1
         for i in range(100)]
others = [(labels == labels[i]).sum() - 1 for i in range(100)]
expected = np.mean(np.divide(right, others))
assert abs(positives - expected) < 0.1, (positives, expected)

from interclr_plugin.inter_image import ClusteredBank
from interclr_plugin.inter_image.kmeans import fit
from interclr_plugin.inter_image.rows import Rows
features, truth = torch.tensor(rows).float(), torch.tensor(classes)
labels = fit(Rows(features), 20, torch.Generator().manual_seed(0))[0].numpy()
right = [(classes[labels == labels[i]] == classes[i]).sum() - 1
         for i in range(100)]
others = [max((labels == labels[i]).sum() - 1, 1) for i in range(100)]
expected = np.mean(np.divide(right, others))
assert abs(share_for(20, features, truth) - expected) < 1e-6
hits = [classes[i] == classes[max((j for j in range(100) if j != i),
                                  key=lambda j: rows[i] @ rows[j])]
        for i in range(100)]
assert abs(share_of_nearest(features, truth) - np.mean(hits)) < 1e-6

for noise in (0., 0.3):
    given = TrueClasses(num_clusters=10, noise=noise)
    given.classes = torch.tensor(load_digits().target[:1500])
    bank = ClusteredBank(num_clusters=10, feat_dim=8)
    bank.allocate(1500, seed=0)
    bank.fill(torch.randn(1500, 8))
    given.first_clustering(bank, torch.Generator().manual_seed(0))
    wrong = bank.labels != given.classes
    assert abs(wrong.double().mean() - 0.9 * noise) <= 0.1 * noise
    expected = torch.stack(
        [bank.features[bank.labels == i].mean(0) for i in range(10)])
    assert torch.allclose(bank.centroids, expected, atol=1e-5)
    assert not given.wants_clustering(1)
"""


def test_what_a_study_says_of_labels(tmp_path):
    """Without it the tables could explain a result by wrong shares."""
    command(CHECKS.format(work_dir=str(tmp_path)))


PANEL = """
import sys
sys.argv[1:] = [*{first!r}, '--sets', 'digits', '--work-dir', {work_dir!r},
                '--cfg-options', 'train_cfg.max_epochs={epochs}',
                'train_dataloader.dataset.indices=192',
                'model.inter_image.num_clusters=4',
                'model.inter_image.sampler.num_negatives=8',
                'default_hooks.checkpoint.interval=1', *{more!r}]
import {module}
sys.modules['{module}'] = {module}
{module}.main()
"""


def panel(folder, *more, epochs=2):
    said = command(
        PANEL.format(
            module='study',
            first=('panel', '--results', str(folder / 'panel')),
            work_dir=str(folder / 'work'),
            more=more,
            epochs=epochs))
    return said, {
        path: json.loads(path.read_text())
        for path in sorted((folder / 'panel').glob('*/*/*.json'))
    }


@pytest.mark.slow
def test_a_panel(tmp_path):
    """Without it settings could be tuned on test images, or a cell that was
    killed be trained otherwise than the one beside it."""
    arms = ('--arms', 'MoCo v2', 'near 5 in cluster')
    said, cells = panel(tmp_path, *arms, '--seeds', '0', '1')
    assert len(cells) == 4
    for cell in cells.values():
        assert 'knn' not in cell and 'linear' not in cell
        assert 0 < cell['knn_validation'] < 1
        assert [line['epoch'] for line in cell['epochs']] == [1, 2]
        assert 0 < cell['epochs'][-1]['positives'] <= 1
    by_arm = {(c['arm'], c['seed']): c['knn_validation']
              for c in cells.values()}
    differences = [
        by_arm['near 5 in cluster', seed] - by_arm['MoCo v2', seed]
        for seed in (0, 1)
    ]
    assert f'{np.mean(differences):+.4f} [' in said
    # Penalties are compared on the same checkpoints and the same folds.
    said = command(
        PANEL.format(
            module='probe_penalties',
            first=('--penalties', '1', '100'),
            work_dir=str(tmp_path / 'work'),
            more=(*arms, '--seeds', '0', '1'),
            epochs=2))
    rows = [line.strip('| ').split(' | ') for line in said.splitlines()
            if line.startswith('| digits')]
    assert len(rows) == 4
    for _, seed, arm, knn, linear, held_back, _, _ in rows:
        cell = next(c for c in cells.values()
                    if (c['arm'], c['seed']) == (arm, int(seed)))
        assert float(knn) == round(cell['knn_validation'], 4)
        assert float(linear) == round(cell['linear_validation'], 4)
        assert held_back != linear
    # One that was killed after its first epoch ends as it would have.
    path, = (tmp_path / 'panel').glob('digits/near*/0.json')
    before = cells[path]
    work = next((tmp_path / 'work/digits').glob('near*')) / '0'
    (work / 'epoch_2.pth').unlink()
    (work / 'last_checkpoint').write_text(str(work / 'epoch_1.pth'))
    path.unlink()
    _, resumed = panel(tmp_path, *arms, '--seeds', '0', '1')
    assert resumed[path]['knn_validation'] == before['knn_validation']
    assert resumed[path]['linear_validation'] == before['linear_validation']
    for now, then in zip(resumed[path]['epochs'], before['epochs']):
        assert now['inter_loss'] == then['inter_loss']
    # Finished ones stay; test images are scored when that is asked for.
    path = next(iter(cells))
    before = path.stat().st_mtime_ns
    panel(tmp_path, *arms, '--seeds', '0', '1')
    assert path.stat().st_mtime_ns == before
    _, confirmed = panel(tmp_path, *arms, '--seeds', '0', '--confirm')
    first = confirmed[path]
    assert 0 < first['knn'] < 1 and 0 < first['linear'] < 1
    assert first['knn_validation'] == cells[path]['knn_validation']
    # Only what was asked for was confirmed.
    assert sum('knn' in cell for cell in confirmed.values()) == 2
    # The size for a GPU draws its views while training.
    _, full = panel(
        tmp_path / 'full', '--full', '--workers', '1', '--arms', 'MoCo v2',
        '--seeds', '0', epochs=1)
    cell, = full.values()
    assert 0 < cell['knn_validation'] < 1
    assert not list(tmp_path.glob('full/work*/views'))


IMAGES = """
import cv2
import numpy as np
import panel_sets
from pathlib import Path

root = Path({root!r})
panel_sets.DATA, panel_sets.MOST = root, 30
number = 0
for split, count in (('train', 10), ('test', 2)):
    for label in ('00', '01'):
        folder = root / 'gtsrb32' / split / label
        folder.mkdir(parents=True)
        for track in range(count):
            for frame in range(3):
                image = np.full((64, 64, 3), number % 256, np.uint8)
                cv2.imwrite(
                    str(folder / f'{{track:05}}_{{frame:05}}.jpg'), image)
                number += 1
arrays = np.load(panel_sets.prepare('gtsrb'))
assert arrays['train'].shape == (30, 32, 32, 3)
assert arrays['test'].shape == (12, 32, 32, 3)
# Every second image, whatever its class; frames of a track go together.
assert (np.abs(arrays['train'][:, 0, 0, 0].astype(int) - np.arange(0, 60, 2))
        <= 2).all()
assert (arrays['train_groups'] == np.arange(0, 60, 2) // 3).all()
assert (arrays['train_classes'] == np.arange(0, 60, 2) // 30).all()
dataset = panel_sets.PanelImages(name='gtsrb', split='test')
assert len(dataset) == 12
assert (dataset[3]['img'] == arrays['test'][3]).all()
assert dataset[3]['sample_idx'] == 3
# The full size has every image, and as many pixels as there are.
(root / 'gtsrb32').rename(root / 'imagenette64')
images = panel_sets.PanelImages(name='imagenette', full=True).images
assert images.shape == (60, 64, 64, 3)
assert len(panel_sets.groups_of('imagenette', full=True)) == 60
"""


def test_sets_of_the_panel(tmp_path):
    """Without it frames of one sign could be scored by each other."""
    command(IMAGES.format(root=str(tmp_path)))


ARMS = """
import argparse
from pathlib import Path

import numpy as np
import panel
import torch
from label_statistics import TrueClasses
from mmengine.registry import MODELS, init_default_scope

init_default_scope('mmselfsup')
panel.groups_of = lambda name, full: np.zeros(10000)
panel.num_classes = lambda cell: 10
options = argparse.Namespace(
    results=Path(), work_dir=Path(), confirm=False, full=False, workers=1)
for name in ('digits', 'cifar10'):
    for arm in panel.PANEL_ARMS:
        config = panel.Cell(name, arm, 0, options, {}).config()
        model = MODELS.build(config.model)
        expected = arm.split(',')[0] if arm[:4] in ('SimC', 'BYOL') else 'MoCo'
        assert config.model.algorithm == expected
        # All arms of a seed see the same views.
        views = panel.views_folder(config, 0, Path())
        assert views == panel.views_folder(
            panel.Cell(name, 'MoCo v2', 0, options, {}).config(), 0, Path())
        branch = model.inter_image
        branch.allocate(10000 if name == 'cifar10' else 1500, 0)
        if name == 'digits':
            if isinstance(branch.labels, TrueClasses):
                branch.labels.classes = torch.arange(1500) % 10
            branch.fill()
            branch.first_clustering()
            query = torch.randn(8, branch.feat_dim, requires_grad=True)
            loss, _ = branch(query, query.detach(), torch.arange(8))
            loss.backward()
            assert query.grad.abs().sum(1).all(), arm
"""


def test_every_arm_of_the_panel_is_a_model():
    """Without it a setting or a method that was renamed would end a cell after
    days, or arms be compared that saw other views."""
    command(ARMS)


TRIALS = """
import numpy as np
import torch
import trials
from scipy import stats
from interclr_plugin.inter_image import ClusteredBank

torch.manual_seed(0)
rows = torch.nn.functional.normalize(
    torch.randn(60, 8) * torch.arange(1., 9) + 3, dim=1)
labels = torch.randint(0, 3, (60,))
centre, basis = trials.space_of(rows, 'whitened', 8)
flat = ((rows - centre) @ basis).double()
assert torch.allclose(flat.t() @ flat / 60, torch.eye(8).double(), atol=1e-3)

covariance = np.cov(rows.numpy().T, bias=True)
index = torch.tensor([3, 40, 17])
for space in ('plain', 'whitened'):
    sampler = trials.NeighbourSampler(
        neighbours=4, space=space, axes=8, reach='cluster', feat_dim=8,
        num_negatives=2)
    sampler.allocate(60)
    pairs = sampler(rows[index], index, rows, labels,
                    torch.Generator().manual_seed(0))
    for place, image in enumerate(index.tolist()):
        if space == 'plain':
            inverse, mean = np.eye(8), np.zeros(8)
        else:
            inverse, mean = np.linalg.inv(covariance), rows.mean(0).numpy()

        def product(a, b):
            return (rows[a].numpy() - mean) @ inverse @ (
                rows[b].numpy() - mean)

        def near(other):
            return product(image, other) / np.sqrt(
                product(image, image) * product(other, other))

        others = [j for j in range(60)
                  if j != image and labels[j] == labels[image]]
        others.sort(key=near, reverse=True)
        assert sampler.near_now[place].tolist() == others[:4]
        assert int(pairs.positive[place]) in others[:4]
        assert (labels[pairs.negatives[place]] != labels[image]).all()

# Labels of whitened rows: nearest by angle, whatever the bank's scales.
made = trials.WhitenedKMeans(num_clusters=3, axes=8, feat_dim=8)
bank = ClusteredBank(num_clusters=3, feat_dim=8)
bank.allocate(60, seed=0)
bank.fill(rows)
made.first_clustering(bank, torch.Generator().manual_seed(0))
given = made.assign(bank, torch.arange(60), rows)
units = torch.nn.functional.normalize(
    (bank.centroids - made.centre) @ made.basis, dim=1)
expected = ((rows - made.centre) @ made.basis @ units.t()).argmax(1)
assert (given == expected).all()

# Groups of a batch's keys: a query's positive is the mean of its key's group.
keys = torch.nn.functional.normalize(
    torch.eye(8)[[0, 0, 0, 5, 5]] + 0.1 * torch.randn(5, 8), dim=1)
sampler = trials.GroupSampler(groups=2, num_negatives=2)
sampler.allocate(60)
sampler.keys = 3 * keys
pairs = sampler(rows[:5], torch.arange(5), rows, labels,
                torch.Generator().manual_seed(0))
for place, mine in enumerate([keys[:3]] * 3 + [keys[3:]] * 2):
    mean = torch.nn.functional.normalize(mine.sum(0), dim=0)
    assert abs(pairs.positive_similarity[place] - rows[place] @ mean) < 1e-6
assert (pairs.valid.sum(1) == 1).all() and sampler.keys is None

# Sure queries count more, all of them as much as without weights.
sampler = trials.ConfidentRelations(num_axes=8, ramp_steps=4)
sampler.allocate(60)
sampler.look(bank)
def pairs_now():
    return sampler(rows[:9], torch.arange(9), rows, labels,
                   torch.Generator().manual_seed(0))
pairs_now()
assert (trials.WeighedRelationLoss.weight == 1).all()
bank.random.step = 4
sampler.after_step(bank)
found = pairs_now()
weight = trials.WeighedRelationLoss.weight
assert abs(weight.mean() - 1) < 1e-6
entropy = [stats.entropy(some) for some in found.weights.double().numpy()]
assert weight[np.argmin(entropy)] == weight.max() > 1.8
assert weight[np.argmax(entropy)] == weight.min() < 0.2
given = found.positive_similarity, found.negative_similarity, found.valid
trials.WeighedRelationLoss.weight = torch.ones(9)
assert torch.allclose(trials.WeighedRelationLoss()(*given),
                      trials.RelationLoss()(*given))

# Features stand beside the bank: an average of what was seen.
bank = trials.FeatureBank(num_clusters=3, feat_dim=8, momentum=0.5)
bank.allocate(60, seed=0)
bank.fill(rows)
bank.load(labels=labels)
features = torch.randn(2, 5)
bank.features_now = features
bank.blend(torch.tensor([7, 4]), rows[:2])
fixed = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
new = torch.nn.functional.normalize(features @ fixed, dim=1)
expected = torch.nn.functional.normalize(rows[[7, 4]] + new, dim=1)
assert torch.allclose(bank.seen.held[[7, 4]], expected, atol=1e-6)
sampler = trials.FeatureRelations(num_axes=8)
sampler.allocate(60)
sampler.look(bank)
drawn = sampler.draw(torch.tensor([7]), bank.rows, labels,
                     torch.Generator().manual_seed(0))
assert torch.allclose(
    drawn.own, sampler.whitening(expected[:1]), atol=1e-4)
assert torch.equal(drawn.rows, bank.features[drawn.index])
"""


def test_arms_on_trial():
    """Without it an idea could be thrown away for a mistake in its trial."""
    command(TRIALS)

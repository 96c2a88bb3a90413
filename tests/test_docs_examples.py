"""The examples of docs/ that are whole programs, run as they stand."""
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from doc_pages import DOCS, ROOT, blocks, read
from libraries import FIRST
from mmengine.config import Config
from small_run import NUM_IMAGES, fake_batch, runner_of, small_config

from interclr_plugin.algorithms import projections

FEW_IMAGES = """config.merge_from_dict({
    'train_dataloader.dataset.indices': 320,
    'train_dataloader.batch_size': 32,
    'model.queue_len': 64,
    'model.inter_image.num_clusters': 10,
    'model.inter_image.sampler.num_negatives': 16})"""


@pytest.fixture(autouse=True)
def known_algorithms(monkeypatch):
    """What an example adds is gone afterwards."""
    monkeypatch.setattr(projections, 'READERS', dict(projections.READERS))


def define(name):
    """Run the block that begins with a file's name."""
    block, = (block for block in blocks(read('extending.md'), 'python')
              if block.startswith(f'# {name}\n'))
    exec(compile(block, name, 'exec'), {'__name__': name[:-3]})


def lines_for(name):
    """The configuration that the page shows for a type."""
    block, = (block for block in blocks(read('extending.md'), 'python')
              if block.startswith('model = ') and f"'{name}'" in block)
    return Config.fromstring(block, '.py')


def trained(config):
    runner = runner_of(config)
    runner.train()
    branch = runner.model.inter_image
    assert branch.bank.random.step == 6
    return runner.model


def test_an_algorithm_of_your_own(tmp_path):
    """Without it nobody could add an algorithm as the page says."""
    define('my_algorithm.py')
    config = small_config(FIRST, tmp_path)
    stock = {'backbone', 'neck', 'inter_image'}
    for name in set(config.model) - stock - {'data_preprocessor'}:
        del config.model[name]
    shown = lines_for('TwoViews').model
    config.model.type, config.model.algorithm = shown.type, shown.algorithm
    config.model.data_preprocessor.type = shown.data_preprocessor.type
    model = trained(config)
    index = torch.arange(16)
    views, samples = fake_batch(FIRST, index)
    losses = model.loss(views, samples)
    assert set(losses) == {'intra_loss', 'inter_loss', 'change_ratio'}
    with torch.no_grad():
        keys = model.neck(model.backbone(views[1]))[0]
    torch.testing.assert_close(
        model.inter_image.bank.features[index],
        torch.nn.functional.normalize(keys, dim=1), atol=1e-5, rtol=1e-3)


def test_a_sampler_of_your_own(tmp_path):
    """Without it nobody could replace the sampler as the page says."""
    define('my_sampler.py')
    config = small_config(FIRST, tmp_path)
    config.model.inter_image.sampler.update(
        type=lines_for('NearestPositive').model.inter_image.sampler.type)
    branch = trained(config).inter_image
    features, labels = branch.bank.features, branch.bank.labels.clone()
    labels[5] = 6  # alone in its cluster
    index = torch.arange(12)
    query = torch.nn.functional.normalize(torch.randn(12, 8), dim=1)
    pairs = branch.sampler(query, index, features, labels, torch.Generator())
    for i in range(12):
        others = [j for j in range(NUM_IMAGES)
                  if labels[j] == labels[i] and j != i]
        best = max(others, key=lambda j: float(query[i] @ features[j]),
                   default=i)
        assert pairs.positive[i] == best


def test_labels_of_your_own(tmp_path):
    """Without it nobody could bring labels as the page says."""
    define('my_labels.py')
    labels = np.random.RandomState(0).permutation(NUM_IMAGES) % 6
    config = small_config(FIRST, tmp_path)
    config.model.inter_image.labels = dict(
        lines_for('LabelsFromFile').model.inter_image.labels,
        path=str(tmp_path / 'labels.npy'))
    np.save(tmp_path / 'labels.npy', labels[1:])
    with pytest.raises(ValueError, match='95 labels for 96 images'):
        trained(config)
    np.save(tmp_path / 'labels.npy', labels)
    branch = trained(config).inter_image
    assert branch.bank.labels.tolist() == labels.tolist()


@pytest.mark.slow
def test_the_tutorial(tmp_path):
    """Without it the first program that users run could fail."""
    text = (DOCS / 'tutorial.py').read_text()
    short = re.sub(r'^EPOCHS = \d+$', 'EPOCHS = 1', text, flags=re.MULTILINE)
    short = short.replace('\nrunner = ', f'\n{FEW_IMAGES}\nrunner = ')
    assert 'EPOCHS = 1\n' in short and FEW_IMAGES in short
    (tmp_path / 'tutorial.py').write_text(short)
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', 'tutorial.py'],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)
    assert run.returncode == 0, run.stdout
    for said in ('inter_loss, epoch 1.0', "'knn': 0.", 'report.html'):
        assert said in run.stdout
    for name in ('report.html', 'published.pth', 'epoch_1.pth'):
        assert (tmp_path / 'work_dirs/tutorial' / name).stat().st_size > 1e5

"""The report: one page that tells whether a training learns."""
import base64
import io
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from libraries import FIRST, one_of_them
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from report_page import Page, report_on_small_runs
from small_run import CONFIGS, runner_of, small_config

from interclr_plugin.__main__ import main
from interclr_plugin.checkpoints import load_state_dict
from interclr_plugin.datasets import Digits
from interclr_plugin.evaluation import evaluate
from interclr_plugin.report import write_report
from interclr_plugin.report.pairs import choose_pairs, true_shares
from interclr_plugin.report.pictures import Pictures
from interclr_plugin.results.bank import read_bank
from interclr_plugin.results.members import choose_clusters, choose_members
from interclr_plugin.results.run import Run

pytestmark = pytest.mark.slow


@DATASETS.register_module()
class UnlabelledDigits(Digits):
    """Digits of which nobody has told the class."""

    def load_data_list(self):
        return [
            dict(img=entry['img'], img_shape=(32, 32))
            for entry in super().load_data_list()
        ]


@pytest.fixture(
    scope='module',
    params=one_of_them())
def written(request, tmp_path_factory):
    return report_on_small_runs(request.param,
                                tmp_path_factory.mktemp('report'))


def test_the_page_stands_alone(written):
    """Without it the page could need a network, show broken pictures, or
    have links that lead nowhere."""
    page = Page(written.page)
    for _, attributes in page.tags:
        for name in ('src', 'href'):
            assert attributes.get(name, '#')[:5].startswith(('data:', '#'))
    source = written.page.read_text()
    assert 'http:' not in source and 'https:' not in source
    assert 'url(' not in source and '@import' not in source
    assert 'script' not in {name for name, _ in page.tags}
    # Every cluster is there, and every order names each once.
    assert sorted(each['id'] for each in page.all('li') if 'id' in each) == [
        f'c{number}' for number in range(6)]
    for key in ('similarity', 'purity', 'change'):
        orders = re.findall(rf'#by-{key}:checked ~ .rows > #(c\d) ', source)
        assert sorted(orders) == [f'c{number}' for number in range(6)]
    # The two configurations are side by side.
    assert {'runs', 'all-clusters'} <= set(page.ids())
    assert "'InterCLR'" in page.text and "'MoCo'" in page.text
    assert len(page.all('img')) > 100
    for image in page.all('img'):
        assert 'alt' in image
        kind, _, content = image['src'].partition(';base64,')
        content = base64.b64decode(content)
        if kind == 'data:image/svg+xml':
            assert ElementTree.fromstring(content).tag.endswith('svg')
        else:
            Image.open(io.BytesIO(content)).load()
    ids = page.ids()
    assert len(ids) == len(set(ids))
    links = [each['href'] for each in page.all('a')]
    assert len(links) > 7
    assert {link[1:] for link in links} <= set(ids)
    assert 'Left out' not in page.text
    assert '<made by>' in page.text  # escaped in the source


def test_its_numbers_are_those_of_the_evaluation(written):
    """Without it the verdict could rest on other weights or another test
    set."""
    page = Page(written.page)
    run = Run(str(written.run))
    scores = [
        evaluate(run.config, seed=0),
        evaluate(run.config, str(written.run / 'epoch_2.pth')),
        evaluate(
            Run(str(written.baseline)).config,
            str(written.baseline / 'epoch_1.pth'))
    ]
    start, last, other = (score['knn'] for score in scores)
    assert f'{start:.3f} with the initial weights to {last:.3f}' in page.text
    assert f'{last - start:+.3f} is' in page.text
    assert f'Against baseline ({other:.3f})' in page.text
    assert f'{last - other:+.3f}' in page.text
    for name, score in zip(('initial weights', 'this run', 'baseline'),
                           scores):
        error = np.sqrt(score['knn'] * (1 - score['knn']) / 96)
        assert (f"{name} {score['knn']:.3f} ±{2 * error:.3f} "
                f"{score['linear']:.3f}") in page.text


def test_the_members_shown_are_those_of_a_loop(written):
    """Without it the montage could show other images than it says."""
    state = load_state_dict(str(written.run / 'epoch_2.pth'))
    bank = read_bank(state)
    labels = state['inter_image.bank.labels'].numpy()
    features = state['inter_image.bank.features'].numpy()
    centroids = state['inter_image.bank.centroids'].numpy()
    chosen = choose_clusters(bank.labels, 3)
    sizes = np.bincount(labels)
    ranked = sorted(range(6), key=lambda each: (-sizes[each], each))
    ranked = [each for each in ranked if sizes[each]]
    assert chosen[0] == ranked[0] and chosen[-1] == ranked[-1]
    assert chosen[1] == ranked[round((len(ranked) - 1) / 2)]
    assert sizes[chosen[0]] > 5  # two of each kind are shown of it
    alts = [each['alt'] for each in Page(written.page).all('img')]
    for cluster in chosen:
        scored = []
        for index in range(96):
            if labels[index] == cluster:
                cosine = features[index] @ centroids[cluster] / (
                    np.linalg.norm(features[index]) *
                    np.linalg.norm(centroids[cluster]))
                scored.append((-cosine, index))
        ordered = [index for _, index in sorted(scored)]
        members = choose_members(bank, cluster, 2)
        assert members.size == len(ordered) >= 4
        # No image is shown twice: of fewer than 6 there is one of each kind.
        count = 2 if len(ordered) > 5 else 1
        assert members.nearest == ordered[:count]
        assert members.farthest == ordered[-count:]
        middle = (len(ordered) - count) // 2
        assert members.median == ordered[middle:middle + count]
        # The page shows up to six of each; these are among them.
        for cosine, index in sorted(scored)[:count] + sorted(scored)[-count:]:
            assert any(
                alt.startswith(f'image {index}, class ')
                and f'similarity {-cosine:.2f}' in alt for alt in alts)


def test_the_pairs_shown_are_those_of_a_loop(written):
    """Without it a positive could be of another cluster, or a negative not
    among the hardest."""
    state = load_state_dict(str(written.run / 'epoch_2.pth'))
    labels = state['inter_image.bank.labels'].numpy()
    features = state['inter_image.bank.features'].numpy()
    pairs = choose_pairs(read_bank(state), queries=40, count=4)
    assert len({each.query for each in pairs}) == 40
    classes = np.arange(96) % 7
    hits = []
    for each in pairs:
        row = features @ features[each.query]
        others = sorted((index for index in range(96)
                         if labels[index] != labels[each.query]),
                        key=lambda index: -row[index])
        assert each.negatives == others[:4]
        assert len(set(each.positives)) == len(each.positives) <= 4
        for index in each.positives:
            assert index != each.query
            assert labels[index] == labels[each.query]
        hits += [index % 7 == each.query % 7 for index in each.negatives]
        assert each.similarity[others[0]] == pytest.approx(row[others[0]])
    assert true_shares(pairs, classes)['negatives'] == np.mean(hits)


def test_a_run_without_clusters(written, tmp_path):
    """Without it a stock method could not be reported on at all; nor could
    a run whose last checkpoint was cut off."""
    shutil.copytree(written.baseline, tmp_path / 'moco')
    whole = (tmp_path / 'moco' / 'epoch_1.pth').read_bytes()
    (tmp_path / 'moco' / 'epoch_2.pth').write_bytes(whole[:-100])
    path = write_report(str(tmp_path / 'moco'), knn=False)
    page = Page(path)
    assert {'curves', 'map', 'origin'} <= set(page.ids())
    assert not {'sizes', 'clusters', 'pairs'} & set(page.ids())
    assert 'epoch_2.pth: epoch_2.pth is not a whole checkpoint' in page.text
    assert 'MoCo, ResNet-18, Digits, epoch 1' in page.text


@pytest.mark.parametrize('library', ['mmselfsup', 'mmpretrain'])
def test_colours_and_class_names_are_right(library, tmp_path):
    """Without it red and blue could change places, for OpenCV reads blue
    first."""
    for name, colour in (('ball', (250, 10, 20)), ('sea', (10, 30, 240))):
        (tmp_path / 'train' / name).mkdir(parents=True)
        Image.new('RGB', (200, 40), colour).save(
            tmp_path / 'train' / name / '1.png')
    name = f'interclr-moco_resnet18_1xb256-coslr-200e_cifar10_{library}.py'
    config = Config.fromfile(CONFIGS / library / name)
    config.train_dataloader.dataset.data_root = str(tmp_path)
    with DefaultScope.overwrite_default_scope(library):
        pictures = Pictures(config)
    assert (pictures.pixels(0) == (250, 10, 20)).all()
    assert (pictures.pixels(1) == (10, 30, 240)).all()
    assert pictures.pixels(0).shape == (32, 32, 3)
    assert [pictures.name(index) for index in (0, 1)] == ['ball', 'sea']


@pytest.mark.matrix
def test_images_without_labels(tmp_path):
    """Without it most real data sets would end in an error, or in an
    accuracy that was never measured."""
    config = small_config(
        FIRST,
        tmp_path,
        train_dataloader__dataset__type='UnlabelledDigits')
    runner_of(config).train()
    page = Page(write_report(str(tmp_path)))
    assert 'It cannot be told yet: after 6 steps 50 are needed' in page.text
    assert 'Second view found' in page.text
    assert 'gt_label=None' in page.text  # why it was not
    assert {'clusters', 'pairs', 'map'} <= set(page.ids())
    assert 'true class' not in page.text and 'cluster 5' in page.text
    # Other images would be shown as members they are not.
    config_path = next(tmp_path.glob('*.py'))
    config = Config.fromfile(str(config_path))
    config.train_dataloader.dataset.indices = -96
    config.dump(str(config_path))
    page = Page(write_report(str(tmp_path)))  # over the earlier one
    assert 'others than those of the checkpoint' in page.text
    assert not {'clusters', 'pairs', 'map'} & set(page.ids())


def test_what_cannot_be_reported_on(written, tmp_path):
    """Without it a slip could end in a traceback, or destroy a file."""

    with pytest.raises(SystemExit, match='looked for epoch_[*].pth'):
        main(['report', str(tmp_path)])
    with pytest.raises(FileNotFoundError, match='is not a folder'):
        write_report(str(tmp_path / 'none'))
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(FileNotFoundError, match='looked for [*].py'):
        write_report(str(tmp_path))
    precious = tmp_path / 'notes.html'
    precious.write_text('precious')
    with pytest.raises(FileExistsError, match='notes.html is there already'):
        write_report(str(written.run), str(precious))
    assert precious.read_text() == 'precious'

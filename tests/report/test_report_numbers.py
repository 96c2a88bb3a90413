"""What the report reads and judges, against other ways to compute it."""
import base64
import io
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from scipy import stats

from interclr_plugin.report import read_scalars
from interclr_plugin.report.cluster_list import list_clusters
from interclr_plugin.report.feature_map import (
    draw_pictures,
    make_groups,
    place,
)
from interclr_plugin.report.scalars import group_names, thin
from interclr_plugin.report.verdict import Score, judge_scores, sign_of
from interclr_plugin.results.bank import Bank


def write_log(folder, start, lines):
    path = folder / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(
        line if isinstance(line, str) else json.dumps(line)
        for line in lines))


def test_logs_of_several_starts_are_one(tmp_path):
    """Without it a resumed run would be drawn twice, or with steps whose
    weights were lost."""
    write_log(tmp_path, '20260101_000000',
              [dict(loss=9. - i, step=i, iter=i, epoch=(i + 3) // 4)
               for i in range(1, 8)])
    write_log(tmp_path, '20260102_000000', [
        dict(loss=1., step=5, iter=5, epoch=2),
        {'knn/top1': 0.25, 'step': 6},
        {'loss': math.nan, 'step': 6, 'iter': 6, 'epoch': 2, 'odd': 3,
         'knn/top1': 0.25},
        {'accuracy/top1': 0.5, 'time': 1., 'step': 1},
        '{"loss": 0.1, "st'
    ])
    scalars = read_scalars(tmp_path)
    # The line of a validation counts epochs, so it cuts nothing off.
    assert scalars.unit == 'epoch'
    places, losses = zip(*scalars.curves['loss'])
    assert places == (.25, .5, .75, 1., 1.25, 1.5)
    assert losses[:5] == (8., 7., 6., 5., 1.) and math.isnan(losses[5])
    assert scalars.curves['accuracy/top1'] == [(1, 0.5)]
    # Measured once, although mmengine's line repeats it.
    assert scalars.curves['knn/top1'] == [(1.5, 0.25)]
    assert scalars.curves['odd'] == [(1.5, 3)]


def test_every_name_is_in_one_group():
    """Without it a number that nobody foresaw would not be shown."""
    names = ['lr', 'mine/a', 'knn/top1', 'intra_loss', 'odd', 'mine/b']
    groups = group_names(names)
    assert groups['Mine'] == ['mine/a', 'mine/b']
    assert groups['Losses'] == ['intra_loss'] and groups['Other'] == ['odd']
    assert sorted(sum(groups.values(), [])) == sorted(names)


def test_long_curves_keep_their_range():
    """Without it a spike could vanish from the drawing."""
    points = [(i, 5. if i == 333 else math.sin(i)) for i in range(1000)]
    drawn = thin(points, 100)
    assert len(drawn) == 100 and drawn[:, 3].max() == 5
    assert drawn[7, 1] == pytest.approx(np.sin(np.arange(70, 80)).mean())
    assert drawn[7, 0] == 74.5


@pytest.mark.parametrize('gain, answer', [(-60, 'no'), (-9, 'unclear'),
                                          (9, 'unclear'), (60, 'yes')])
def test_noise_is_called_noise(gain, answer):
    """Without it the luck of a small test set would count as progress."""
    count = 300
    start, run = (Score('', hits / count, 0, count) for hits in (180,
                                                                180 + gain))
    noise = 2 * math.hypot(*(stats.binom.std(count, each.knn) / count
                             for each in (start, run)))
    verdict = judge_scores(start, run, start)
    assert verdict.answer == answer
    assert (abs(gain) / count > noise) == (answer != 'unclear')
    word = 'within' if answer == 'unclear' else 'beyond'
    for sentence in verdict.sentences[1:]:
        assert f'{word} the noise' in sentence
        assert f'±{noise:.3f}' in sentence
    other = start._replace(num_test=200)
    assert 'cannot be compared' in judge_scores(start, run, other).sentences[2]


def test_the_end_of_a_curve_against_its_start():
    """Without it scatter would be called a change."""
    fell = sign_of('loss', [(i, 5 - i / 50) for i in range(100)])
    assert (fell.before, fell.change) == (pytest.approx(4.91), 'fell')
    noise = np.random.RandomState(0).randn(100)
    assert sign_of('loss', list(enumerate(noise))).change == 'level'


def test_a_torn_byte_costs_one_line(tmp_path):
    """Without it one bad byte on a disk would cost the whole report."""
    write_log(tmp_path, '20260101_000000',
              [dict(loss=9. - i, step=i, iter=i) for i in range(1, 6)])
    path = next(tmp_path.glob('*/*/scalars.json'))
    lines = path.read_bytes().split(b'\n')
    lines[1] = lines[1].replace(b'loss', b'lo\xffs')
    lines[2] = lines[2].replace(b'"step": 3', b'"step": "3"')
    lines[3] = b'\x00' + lines[3][1:]
    path.write_bytes(b'\n'.join(lines))
    curves = read_scalars(tmp_path).curves
    assert curves == dict(loss=[(1, 8.), (5, 4.)])


def test_clusters_are_put_in_order():
    """Without it "least pure first" could be another order, and clusters
    that were only numbered anew would count as changed."""
    generator = np.random.RandomState(0)
    labels = generator.randint(0, 7, 200)
    before = (labels + 3) % 7  # numbered anew
    moved = labels == 4
    before[moved] = generator.randint(0, 7, moved.sum())
    classes = generator.randint(0, 3, 200)
    features = torch.nn.functional.normalize(
        torch.from_numpy(generator.randn(200, 5)).float(), dim=1)
    centroids = torch.from_numpy(generator.randn(7, 5)).float()
    pictures = SimpleNamespace(
        classes=classes, name_class=str, strip=lambda index: index)
    found = list_clusters(
        Bank(features, torch.from_numpy(labels), centroids, 0), pictures,
        before)
    assert found['total'] == 7 == len(found['rows'])
    purity = {}
    for row in found['rows']:
        index = np.flatnonzero(labels == row['cluster'])
        centre = (centroids[row['cluster']] /
                  centroids[row['cluster']].norm()).numpy()
        cosine = features.numpy()[index] @ centre
        assert row['uri'] == index[np.argsort(-cosine)][:8].tolist()
        assert row['similarity'] == pytest.approx(cosine.mean(), abs=1e-5)
        purity[row['cluster']] = max(
            (classes[index] == each).mean() for each in range(3))
        assert row['purity'] == pytest.approx(purity[row['cluster']])
        assert (row['change'] > 0) == (row['cluster'] == 4)
    assert found['orders']['purity'][1] == sorted(
        purity, key=lambda each: purity[each])
    assert found['orders']['change'][1][0] == 4


def test_pictures_stand_where_their_points_are():
    """Without it the map of pictures could be upside down."""
    places = np.array([[0., 0.], [1., 0.], [0., 1.], [1., 1.], [.99, .99]])
    colours = ['red', 'lime', 'blue', 'white', 'black']
    uri = draw_pictures(
        places, lambda i, edge: Image.new('RGB', (edge, edge), colours[i]))
    picture = Image.open(
        io.BytesIO(base64.b64decode(uri.partition(',')[2]))).convert('RGBA')
    side = picture.width - 20
    for x, y, colour in ((20, side, 'red'), (side, side, 'lime'),
                         (20, 20, 'blue')):
        found = picture.getpixel((x, y))
        assert np.abs(np.subtract(found[:3], ImageColor.getrgb(colour))
                      ).max() < 40 and found[3] == 255
    assert picture.getpixel((side // 2, side // 2))[3] == 0


def test_a_map_keeps_neighbours_and_names_its_limits():
    """Without it the map could be of shuffled rows, or of one point."""
    classes = np.repeat([3, 1, 8], 20)
    features = np.eye(9)[classes] + np.random.RandomState(0).rand(60, 9) / 9
    places = place(features)
    middles = {c: places[classes == c].mean(0) for c in (1, 3, 8)}
    for point, own in zip(places, classes):
        nearest = min(middles, key=lambda c: np.sum((point - middles[c])**2))
        assert nearest == own
    groups = make_groups(classes, str)
    assert [group.name for group in groups] == ['1', '3', '8']
    assert groups[0].members.tolist() == list(range(20, 40))
    groups = make_groups(np.arange(60) % 30, str)
    assert groups[-1].name == '18 others' and len(groups) == 13
    with pytest.raises(ValueError, match='same feature'):
        place(np.ones((30, 4)))
    with pytest.raises(ValueError, match='too few'):
        place(features[:5])

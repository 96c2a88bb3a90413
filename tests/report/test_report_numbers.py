"""What the report reads and judges, against other ways to compute it."""
import json
import math

import numpy as np
import pytest
from scipy import stats

from interclr_plugin.report import read_scalars
from interclr_plugin.report.feature_map import make_groups, place
from interclr_plugin.report.scalars import group_names, thin
from interclr_plugin.report.verdict import (
    Score,
    Sign,
    judge_scores,
    judge_signs,
    sign_of,
)


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


def test_judged_without_labels():
    """Without it a collapse with a falling loss would pass for learning."""
    fell = sign_of('loss', [(i, 5 - i / 50) for i in range(100)])
    assert (fell.before, fell.change) == (pytest.approx(4.91), 'fell')
    noise = np.random.RandomState(0).randn(100)
    assert sign_of('loss', list(enumerate(noise))).change == 'level'
    for signs, rank, words in (
            ([fell], 20., 'It seems so'), ([fell], 1.1, 'collapsed'),
            ([Sign('loss', 4, 5, 'rose')], 20., 'no sign'),
            ([Sign('loss', 4, math.nan, 'rose')], None, 'not finite'),
            ([], 20., 'cannot be told')):
        assert words in judge_signs(signs, rank).sentences[0]


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

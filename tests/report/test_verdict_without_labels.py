"""The verdict without labels: what it rests on, and when it must not judge."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from small_run import CONFIGS

from interclr_plugin.datasets import RandomView
from interclr_plugin.datasets.extraction import extract
from interclr_plugin.monitors.measures import closeness, retrieved
from interclr_plugin.report.evidence import (
    Evidence,
    compare_features,
    weight_faults,
)
from interclr_plugin.report.scalars import Scalars
from interclr_plugin.report.unlabelled import queue_steps, signs_of, steps_of
from interclr_plugin.report.verdict import Sign, judge_signs
from interclr_plugin.results.run import Checkpoint

GOOD = Evidence(1000, (.06, .15), .02, (.76, .19), (16., 50.))
ROSE = Sign('loss', 4.16, 4.8, 'rose')
SETTLED = Sign('change_ratio', .97, .5, 'fell')


class FakeRun:
    """A run of 20 epochs with a queue of 1,024 and 64 images a batch."""
    config = Config(
        dict(
            model=dict(queue_len=1024), train_dataloader=dict(batch_size=64)))
    last = Checkpoint(20, 'epoch', None)


def test_a_rising_loss_is_no_verdict():
    """Without it MoCo, whose loss rises while its queue fills, would be told
    that it does not learn."""
    verdict = judge_signs(GOOD, [ROSE, SETTLED], steps=460, start=16)
    assert verdict.answer == 'yes'
    assert '5.8%' not in verdict.sentences[1]
    assert '6.0%' in verdict.sentences[1] and '15.0%' in verdict.sentences[1]
    assert 'fairly sure' in verdict.sentences[2]
    assert '4.5 times its noise' in verdict.sentences[2]


@pytest.mark.parametrize('changes, signs, words, answer', [
    (dict(retrieval=(.06, .075)), [], 'cannot be told: second views',
     'unclear'),
    (dict(retrieval=(.06, .03)), [], 'signs contradict', 'unclear'),
    (dict(closeness=(.5, .6)), [], 'signs contradict', 'unclear'),
    (dict(retrieval=(.06, .03), closeness=(.5, .9)), [], 'No: the network',
     'no'),
    (dict(retrieval=(.06, .09)), [], 'not very sure', 'yes'),
    ({}, [SETTLED._replace(change='rose')], 'not very sure', 'yes'),
    (dict(rank=(16., 1.1)), [], 'collapsed', 'no'),
    ({}, [ROSE._replace(after=float('nan'))], 'not finite', 'no'),
])
def test_what_is_said(changes, signs, words, answer):
    """Without it noise, a collapse or a contradiction could pass for
    learning."""
    verdict = judge_signs(GOOD._replace(**changes), signs, steps=460)
    assert verdict.answer == answer
    assert words in ' '.join(verdict.sentences)


def test_too_little_to_tell_by():
    """Without it a run of a minute, or one without images, would be judged."""
    for steps, start in ((40, 0), (200, 300)):
        verdict = judge_signs(GOOD, [], steps=steps, start=start)
        assert verdict.answer == 'unclear'
        assert f'after {steps} steps' in verdict.sentences[0]
    assert judge_signs(GOOD, [], steps=301, start=300).answer == 'yes'
    assert judge_signs(None, [SETTLED]).answer == 'unclear'
    fault = judge_signs(GOOD, [], fault='not one weight changed.')
    assert fault.sentences[0] == 'No: not one weight changed.'


def test_losses_count_from_the_full_queue_on():
    """Without it the rise of a filling queue would stand in the table."""
    points = [(place / 23, 4. + place / 16 if place < 16 else 5 - place / 400)
              for place in range(1, 461)]
    scalars = Scalars(
        dict(loss=points, change_ratio=points), 'epoch', per_epoch=23)
    assert queue_steps(FakeRun) == 16
    assert steps_of(FakeRun, scalars) == 460
    loss, ratio = signs_of(FakeRun, scalars)
    first = np.mean([value for place, value in points
                     if place >= 16 / 23][:44])
    assert loss.before == pytest.approx(first) and loss.change == 'fell'
    assert ratio.before == pytest.approx(np.mean([v for _, v in points[:46]]))


def test_measures_are_those_of_loops():
    """Without it a view could be found among other images' or at a distance
    that is no cosine."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(30, 8, generator=generator)
    query, key = (centres + torch.randn(30, 8, generator=generator)
                  for _ in range(2))
    hits, own, other = [], [], []
    for i in range(30):
        cosine = [float(torch.cosine_similarity(query[i], key[j], dim=0))
                  for j in range(30)]
        back = [float(torch.cosine_similarity(query[j], key[i], dim=0))
                for j in range(30)]
        hits.append((np.argmax(cosine) == i) / 2 + (np.argmax(back) == i) / 2)
        own.append(2 - 2 * cosine[i])
        other += [2 - 2 * cosine[j] for j in range(30) if j != i]
    assert 0.2 < np.mean(hits) < 0.9
    assert retrieved(query, key).tolist() == hits
    assert float(closeness(query, key)) == pytest.approx(
        np.mean(own) / np.mean(other), rel=1e-5)
    # Where all are equal nothing is found but by chance.
    same = torch.ones(30, 8)
    assert retrieved(same, same).mean() == pytest.approx(1 / 30)
    assert closeness(same, same) == 1


def test_the_noise_is_that_of_pairs():
    """Without it the same images would count as two samples."""
    generator = np.random.RandomState(0)
    rows = [
        dict(centre=generator.rand(50, 6).astype(np.float32),
             first=(base := generator.rand(50, 6).astype(np.float32)),
             second=base + noise * generator.rand(50, 6).astype(np.float32))
        for noise in (1., .3)
    ]
    evidence = compare_features(*rows)
    hits = [retrieved(*(torch.from_numpy(each[name])
                        for name in ('first', 'second'))).numpy()
            for each in rows]
    assert evidence.retrieval == pytest.approx([each.mean() for each in hits])
    assert evidence.noise == pytest.approx(
        2 * (hits[1] - hits[0]).std(ddof=1) / 50**.5)


def test_weights_that_cannot_have_learned(tmp_path):
    """Without it a frozen run would be called noise, and a diverged one
    could end in an error."""
    weight = torch.ones(3)
    states = [
        {'backbone.w': weight, 'backbone.bn.running_mean': torch.zeros(3)},
        {'backbone.w': weight, 'backbone.bn.running_mean': torch.ones(3)},
        {'backbone.w': weight + 1e-6, 'head.w': weight / 0},
        {'backbone.w': weight / 0, 'backbone.v': weight},
    ]
    paths = []
    for number, state in enumerate(states):
        paths.append(tmp_path / f'epoch_{number}.pth')
        torch.save(dict(state_dict=state), paths[-1])
    assert 'between epoch_0 and epoch_1' in weight_faults(paths[:2])
    assert weight_faults(paths[:3]) is None
    assert weight_faults(paths[:1]) is None
    assert '1 of 2 weights' in weight_faults(paths)


@pytest.mark.parametrize('library', ['mmselfsup', 'mmpretrain'])
def test_views_can_be_drawn_again(library):
    """Without it two networks would be compared on views of their own, or
    two draws could be the same view."""
    path = next((CONFIGS / library).glob(f'interclr-byol_*digits_{library}*'))
    config = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(library):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        model = torch.nn.Linear(1, 1)

        def draw(index, number):
            return extract(
                RandomView(dataset, index, number), model,
                lambda batch: batch['inputs'][0].flatten(1), batch_size=3)

        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        one, again, other = (draw([4, 7, 9], each) for each in (0, 0, 1))
        assert torch.equal(before[0], torch.get_rng_state())
        assert (before[1] == np.random.get_state()[1]).all()
        assert torch.equal(one, again)
        assert all((a != b).any() for a, b in zip(one, other))
        # The order and the company of an image do not matter.
        assert torch.equal(draw([9, 4], 0), one[[2, 0]])
        assert len(dataset[0]['inputs']) == 2  # the training set as it was

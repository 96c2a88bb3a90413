"""Is it learning? What the numbers say, and what they cannot tell."""
import math
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from .evidence import Evidence

# Differences within so many standard errors are called noise.
ERRORS = 2
# Features of which all but a remainder lie along one direction.
COLLAPSED = 1.5
# Steps in which nothing can have been learned that could be told.
TOO_FEW = 50
CAVEAT = ('No label was seen: whether the features are of use for a task, '
          'only its labels tell.')


class Score(NamedTuple):
    """What ``evaluate`` has measured."""
    name: str
    knn: float  # 0 to 1
    linear: float  # 0 to 1
    num_test: int

    @property
    def noise(self) -> float:
        """float: Two binomial standard errors of kNN."""
        return ERRORS * _standard_error(self)


class Sign(NamedTuple):
    """Something that tells about learning without labels."""
    name: str
    before: float
    after: float
    change: str  # 'fell', 'rose' or 'level'


class Verdict(NamedTuple):
    """The answer, for the top of the page."""
    answer: str  # 'yes', 'no' or 'unclear'
    sentences: List[str]


def compare(one: Score, other: Score) -> Tuple[float, float]:
    """Subtract kNN accuracies.

    Args:
        one (Score): The later one.
        other (Score): What it is compared with.

    Returns:
        tuple: The difference, and two standard errors of it, each test set
        counted as a sample of its own.
    """
    error = math.hypot(_standard_error(one), _standard_error(other))
    return one.knn - other.knn, ERRORS * error


def judge_scores(start: Score, run: Score, *others: Score) -> Verdict:
    """Judge by labels.

    Args:
        start (Score): Of the initial weights.
        run (Score): Of the last checkpoint.
        *others (Score): Of other runs'.

    Returns:
        Verdict: ``'unclear'`` where the difference from the start is within
        the noise of the test set.
    """
    gain, noise = compare(run, start)
    answer, opening, place = 'unclear', 'It cannot be told yet', 'within'
    if abs(gain) > noise:
        answer = 'yes' if gain > 0 else 'no'
        opening, place = answer.capitalize(), 'beyond'
    way = {'yes': 'rose', 'no': 'fell', 'unclear': 'went'}[answer]
    sentences = [
        f'{opening}: kNN top-1 {way} from {start.knn:.3f} with the '
        f'initial weights to {run.knn:.3f}.',
        f'The difference of {gain:+.3f} is {place} the noise of '
        f'{run.num_test} test images (±{noise:.3f}, two standard errors).'
    ]
    sentences += [_against(run, other) for other in others]
    return Verdict(answer, sentences)


def judge_signs(evidence: Optional[Evidence],
                signs: List[Sign],
                *,
                fault: Optional[str] = None,
                steps: Optional[int] = None,
                start: int = 0) -> Verdict:
    """Judge without labels, by what depends on no loss.

    Args:
        evidence (Evidence, optional): Of the last checkpoint. None: no image
            could be looked at.
        signs (list[Sign]): Of the log.
        fault (str, optional): What rules out that anything was learned.
        steps (int, optional): That the training has done, where known.
        start (int): Steps until the method itself has started: until its
            queue is full.

    Returns:
        Verdict: ``'unclear'`` where the signs contradict each other, are
        within their noise, or are of too few steps.
    """
    ends = {sign.name: sign for sign in signs}
    loss = ends.get('loss')
    if fault is None and loss is not None and not math.isfinite(loss.after):
        fault = 'the loss is not finite at the end.'
    if fault is not None:
        return Verdict('no', [f'No: {fault}', 'This is sure.'])
    if evidence is None:
        return Verdict('unclear', [
            'It cannot be told: no features could be measured, and a loss '
            'alone does not tell. It also rises while a queue fills.'])
    before, after = evidence.rank
    if after < COLLAPSED:
        return Verdict('no', [
            'No: the features have collapsed. Their effective rank is '
            f'{after:.2f} ({before:.1f} with the initial weights), so nearly '
            'all images look the same to the network.', 'This is sure.'])
    few = max(TOO_FEW, start)
    if steps is not None and steps < few:
        why = 'the queue is not full yet' if start > TOO_FEW else (
            f'{few} are needed')
        return Verdict('unclear', [
            f'It cannot be told yet: after {steps} steps {why}.',
            *_told(evidence)])
    return _weigh(evidence, ends.get('change_ratio'))


def _weigh(evidence: Evidence, labels: Optional[Sign]) -> Verdict:
    gain = evidence.retrieval[1] - evidence.retrieval[0]
    nearer = evidence.closeness[1] < evidence.closeness[0]
    told = _told(evidence)
    if abs(gain) <= evidence.noise:
        return Verdict('unclear', [
            'It cannot be told: second views of images are found about as '
            'often as with the initial weights.', *told, CAVEAT])
    if nearer != (gain > 0):
        return Verdict('unclear', [
            'It cannot be told: the signs contradict each other. Early in a '
            'healthy training they do.', *told, CAVEAT])
    restless = labels is not None and labels.change == 'rose'
    sure = abs(gain) > 2 * evidence.noise and not restless
    sureness = ('This is fairly sure: ' if sure else
                'This is not very sure: ') + (
        f'the difference of {gain:+.3f} is '
        f'{abs(gain) / max(evidence.noise, 1e-9):.1f} times its noise of two '
        'standard errors')
    if labels is not None:
        sureness += (f', and change_ratio {_PAST[labels.change]} from '
                     f'{labels.before:.2f} to {labels.after:.2f}')
    if gain > 0:
        opening = ('Yes, as far as can be told without labels: the network '
                   'finds second views of images more often than at first.')
    else:
        opening = ('No: the network finds second views of images less often '
                   'than with its initial weights.')
    return Verdict('yes' if gain > 0 else 'no',
                   [opening, *told, f'{sureness}.', CAVEAT])


def _told(evidence: Evidence) -> List[str]:
    found, near, rank = (evidence.retrieval, evidence.closeness,
                         evidence.rank)
    return [
        f'Among {evidence.images} images the nearest view is of the same '
        f'image for {found[0]:.1%} with the initial weights and {found[1]:.1%}'
        f' now (±{evidence.noise:.1%}). The distance of two views of an '
        f'image went from {near[0]:.2f} to {near[1]:.2f} of that of two '
        f'images, the effective rank from {rank[0]:.1f} to {rank[1]:.1f}.'
    ]


_PAST = dict(fell='fell', rose='rose', level='stayed level')


def sign_of(name: str, points: List[Tuple[float, float]]) -> Sign:
    """Compare the end of a curve with its start.

    Args:
        name (str): As logged.
        points (list): (place, value) pairs, one or more.

    Returns:
        Sign: Means of the first and the last tenth; ``'level'`` where they
        differ by less than the values of the last tenth scatter.
    """
    values = np.asarray([value for _, value in points], dtype=float)
    tenth = max(len(values) // 10, 1)
    before, after = values[:tenth].mean(), values[-tenth:].mean()
    change = 'fell' if after < before else 'rose'
    if abs(after - before) <= values[-tenth:].std():
        change = 'level'
    return Sign(name, float(before), float(after), change)


def _against(run: Score, other: Score) -> str:
    if run.num_test != other.num_test:
        return (f'{other.name} was measured on {other.num_test} test images, '
                f'not {run.num_test}: the two cannot be compared.')
    gain, noise = compare(run, other)
    place = 'ahead of' if gain > 0 else 'behind'
    start = (f'Against {other.name} ({other.knn:.3f}) the difference is '
             f'{gain:+.3f}')
    if abs(gain) <= noise:
        return (f'{start}: within the noise (±{noise:.3f}), so these two runs '
                'do not tell which is better.')
    return (f'{start}, beyond the noise (±{noise:.3f}): it is {place} that '
            'run. Seeds differ too: repeat both with others before relying '
            'on it.')


def _standard_error(score: Score) -> float:
    return math.sqrt(score.knn * (1 - score.knn) / score.num_test)

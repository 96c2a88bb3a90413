"""Is it learning? What the numbers say, and what they cannot tell."""
import math
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

# Differences within so many standard errors are called noise.
ERRORS = 2
# Features of which all but a remainder lie along one direction.
COLLAPSED = 1.5


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


def judge_scores(start: Score,
                 run: Score,
                 baseline: Optional[Score] = None) -> Verdict:
    """Judge by labels.

    Args:
        start (Score): Of the initial weights.
        run (Score): Of the last checkpoint.
        baseline (Score, optional): Of another run's.

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
    if baseline is not None:
        sentences.append(_against(run, baseline))
    return Verdict(answer, sentences)


def judge_signs(signs: List[Sign], rank: Optional[float]) -> Verdict:
    """Judge without labels.

    Args:
        signs (list[Sign]): Of the log; ``loss`` decides.
        rank (float, optional): Effective rank of the last features.

    Returns:
        Verdict: Never more than what the signs can say.
    """
    caveat = ('No accuracy was measured, so this only says whether the '
              'training goes as a healthy one does, not whether its features '
              'are of use.')
    loss = next((sign for sign in signs if sign.name == 'loss'), None)
    numbers = ''
    if loss is not None:
        numbers = f' from {loss.before:.3f} to {loss.after:.3f}'
    if rank is not None and rank < COLLAPSED:
        return Verdict('no', [
            'No: the features have collapsed. Their effective rank is '
            f'{rank:.2f}, so nearly all images look the same to the network.',
            caveat])
    if loss is None:
        return Verdict('unclear', ['It cannot be told: no loss is in the log.',
                                   caveat])
    if not math.isfinite(loss.after):
        return Verdict('no', ['No: the loss is not finite at the end.',
                              caveat])
    if loss.change == 'fell':
        return Verdict('unclear', [
            f'It seems so: the loss fell{numbers}'
            + ('.' if rank is None else ' and the features keep an effective '
               f'rank of {rank:.1f}.'), caveat])
    return Verdict('unclear', [
        f'There is no sign of it: the loss {_PAST[loss.change]}{numbers}.',
        caveat])


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


def _against(run: Score, baseline: Score) -> str:
    if run.num_test != baseline.num_test:
        return (f'The baseline was measured on {baseline.num_test} test '
                f'images, not {run.num_test}: the two cannot be compared.')
    gain, noise = compare(run, baseline)
    place = 'ahead of' if gain > 0 else 'behind'
    start = (f'Against the baseline ({baseline.knn:.3f}) the difference is '
             f'{gain:+.3f}')
    if abs(gain) <= noise:
        return (f'{start}: within the noise (±{noise:.3f}), so these two runs '
                'do not tell which is better.')
    return (f'{start}, beyond the noise (±{noise:.3f}): it is {place} the '
            'baseline. Seeds differ too: repeat both with others before '
            'relying on it.')


def _standard_error(score: Score) -> float:
    return math.sqrt(score.knn * (1 - score.knn) / score.num_test)

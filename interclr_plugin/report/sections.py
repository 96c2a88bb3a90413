"""The parts of the page, as plain data for its template."""
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch

from ..results.bank import Bank
from ..results.members import choose_clusters, choose_members
from . import charts, feature_map
from .meanings import MEANINGS
from .pairs import Pairs, choose_pairs, true_shares
from .pictures import Pictures
from .scalars import Scalars, group_names

CLUSTERS = 12
MEMBERS = 6
QUERIES = 6
COMPANY = 6
# Queries that shares are measured on; only the first ones are shown.
MEASURED = 256


def curves(runs: Dict[str, Scalars]) -> List[dict]:
    """Draw every logged number of a run, in groups.

    Args:
        runs (dict[str, Scalars]): By name, the run itself first. Of the
            others losses are left out: those of another method measure
            something else.

    Returns:
        list[dict]: ``title`` and ``panels`` of each group.
    """
    name, scalars = next(iter(runs.items()))
    others = {
        other: each.curves for other, each in runs.items()
        if other != name and each.unit == scalars.unit
    }
    return [
        dict(
            title=group,
            panels=[
                _panel(number, scalars, {} if group == 'Losses' else {
                    other: each[number]
                    for other, each in others.items() if number in each
                }) for number in numbers
            ]) for group, numbers in group_names(list(scalars.curves)).items()
    ]


def montage(bank: Bank, pictures: Pictures) -> List[dict]:
    """Show members of some clusters.

    Args:
        bank (Bank): Of the last checkpoint.
        pictures (Pictures): Of its N images.

    Returns:
        list[dict]: ``cluster``, ``size``, ``main`` (its main class and that
        one's share, None without labels) and ``rows`` of images.
    """
    result = []
    for cluster in choose_clusters(bank.labels, CLUSTERS):
        members = choose_members(bank, cluster, MEMBERS)
        main = share = None
        if pictures.classes is not None:
            index = (bank.labels == cluster).nonzero().squeeze(1).numpy()
            counts = np.bincount(pictures.classes[index])
            main, share = int(counts.argmax()), counts.max() / len(index)
        rows = []
        for kind in ('nearest', 'median', 'farthest'):
            rows.append((kind, [
                _thumbnail(pictures, each, members.similarity[each],
                           _differs(pictures, each, main),
                           'not of the main class')
                for each in getattr(members, kind)
            ]))
        result.append(
            dict(
                cluster=cluster,
                size=members.size,
                main=main if main is None else pictures.name_class(main),
                share=share,
                rows=rows))
    return result


def company(bank: Bank, pictures: Pictures) -> dict:
    """Show queries with their positives and hardest negatives.

    Args:
        bank (Bank): Of the last checkpoint.
        pictures (Pictures): Of its N images.

    Returns:
        dict: ``queries``, and ``shares`` (None without labels).
    """
    pairs = choose_pairs(bank, queries=MEASURED, count=COMPANY)
    classes = pictures.classes
    return dict(
        queries=[_company_of(each, pictures) for each in pairs[:QUERIES]],
        measured=len(pairs),
        shares=None if classes is None else true_shares(pairs, classes))


def maps(features: Dict[str, np.ndarray], index: np.ndarray,
         pictures: Pictures, bank: Optional[Bank]) -> dict:
    """Draw maps of the same images' features.

    Args:
        features (dict[str, ndarray]): (n, D) by title.
        index (ndarray): (n,) positions of these images.
        pictures (Pictures): Tells the true classes, where there are any.
        bank (Bank, optional): Tells the clusters otherwise.

    Returns:
        dict: ``by`` ('class', 'cluster' or ''), ``maps``, ``legend`` and
        ``pictures``, the last map with images in the place of markers.
    """
    if pictures.classes is not None:
        by, numbers = 'class', pictures.classes[index]
        name = pictures.name_class
    elif bank is not None:
        by, numbers = 'cluster', bank.labels[torch.as_tensor(index)].numpy()
        name = str
    else:
        by, numbers, name = '', np.zeros(len(index), int), lambda _: 'images'
    groups = feature_map.make_groups(numbers, name)
    places = {title: feature_map.place(some)
              for title, some in features.items()}
    return dict(
        by=by,
        images=len(index),
        maps=[(title, feature_map.draw_map(each, groups))
              for title, each in places.items()],
        pictures=feature_map.draw_pictures(
            list(places.values())[-1], lambda i, edge: pictures.square(
                int(index[i]), edge)),
        legend=[(group.name, feature_map.draw_legend(group))
                for group in groups])


def sizes(history: Dict[int, List[int]],
          unit: str) -> Optional[Dict[str, Any]]:
    """Draw cluster sizes at the end and over time.

    Args:
        history (dict[int, list[int]]): Images per cluster, largest first, of
            each checkpoint in order.
        unit (str): What the checkpoints' numbers count.

    Returns:
        dict, optional: Figures and the numbers of the last checkpoint; None
        without clusters.
    """
    if not history:
        return None
    last = history[max(history)]
    average = sum(last) / len(last)
    return dict(
        last=charts.draw_sizes(last, average),
        history=charts.draw_histograms(history, unit)
        if len(history) > 1 else None,
        checkpoints=len(history),
        clusters=len(last),
        average=average,
        smallest=last[-1],
        largest=last[0])


def _panel(name: str, scalars: Scalars,
           others: Dict[str, List[Tuple[float, float]]]) -> dict:
    points = scalars.curves[name]
    drawn = [points, *others.values()]
    # One value, whether at one point or all along, is said in words.
    several = len({value for each in drawn for _, value in each
                   if np.isfinite(value)}) > 1
    return dict(
        name=name,
        meaning=MEANINGS.get(name),
        first=points[0][1],
        last=points[-1][1],
        compared=list(others),
        uri=charts.draw_curve(points, scalars.unit, others)
        if several else None)


def _company_of(pairs: Pairs, pictures: Pictures) -> dict:
    classes = pictures.classes
    own = None if classes is None else classes[pairs.query]

    def shown(each: int, expected: bool, word: str) -> dict:
        differs = _differs(pictures, each, own)
        marked = own is not None and differs == expected
        return _thumbnail(pictures, each, pairs.similarity[each], marked,
                          word)

    return dict(
        query=_thumbnail(pictures, pairs.query, None, False, ''),
        positives=[
            shown(each, True, 'of another class') for each in pairs.positives
        ],
        negatives=[
            shown(each, False, 'of the same class')
            for each in pairs.negatives
        ])


def _differs(pictures: Pictures, index: int, number: Optional[int]) -> bool:
    return number is not None and pictures.classes[index] != number


def _thumbnail(pictures: Pictures, index: int, similarity: Optional[float],
               marked: bool, word: str) -> dict:
    name, file = pictures.name(index), pictures.file(index)
    alt = [f'image {index}']
    if name is not None:
        alt.append(f'class {name}')
    if similarity is not None:
        alt.append(f'similarity {similarity:.2f}')
    if marked:
        alt.append(word)
    return dict(
        uri=pictures.uri(index),
        alt=', '.join(alt),
        file=file,
        name=name,
        similarity=similarity,
        marked=marked)

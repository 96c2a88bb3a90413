"""Figures as SVG: readable on a phone, on white and on black."""
import io
import re
from typing import Dict, List, Optional, Sequence, Tuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .pictures import data_uri
from .scalars import thin
from .verdict import Score

# Both stand out by 3 to 1 or more from white and from the dark page, and from
# each other for colour-blind eyes; a second sign tells them apart as well.
MAIN, OTHER = '#0072b2', '#d55e00'
# Stands for the text's colour until the file is written.
INK = '#010203'
_STYLE = (f'<style>:root{{--ink:#24292f;--main:{MAIN};--other:{OTHER}}}'
          'text{font-family:system-ui,sans-serif!important}'
          '@media(prefers-color-scheme:dark){:root{--ink:#d6dae0;'
          '--main:#4aa8e0;--other:#ff9a4d}}</style>')
_SETTINGS = {
    'svg.fonttype': 'none',  # text stays text
    'svg.hashsalt': 'interclr_plugin',  # the same figure, the same file
    'font.size': 12,
    'font.family': 'DejaVu Sans',
    'text.color': INK,
    'axes.edgecolor': INK,
    'axes.labelcolor': INK,
    'xtick.color': INK,
    'ytick.color': INK,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': '#808080',
    'grid.alpha': 0.3,  # that of the colour is not looked at
    'grid.linewidth': 0.6,
    'legend.frameon': False,
    'legend.fontsize': 11,
}


class Chart:
    """A figure in the making: ``with Chart(...) as axes``, then ``uri``.

    Args:
        width (float): In pixels, at least 300.
        height (float): In pixels.
    """

    def __init__(self, width: float = 340, height: float = 210) -> None:
        self.uri = ''
        self._size = (width / 72, height / 72)
        self._context = matplotlib.rc_context(_SETTINGS)

    def __enter__(self):
        self._context.__enter__()
        # What has no room for labels needs no layout, which is slow.
        layout = 'constrained' if self._size[0] > 1 else None
        self._figure = Figure(figsize=self._size, layout=layout)
        return self._figure.subplots()

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                self.uri = self._encode()
        finally:
            self._context.__exit__(kind, *rest)

    def _encode(self) -> str:
        buffer = io.StringIO()
        self._figure.savefig(
            buffer,
            format='svg',
            transparent=True,
            dpi=160,  # of the parts that are drawn as pixels
            metadata=dict(Date=None, Creator=None))
        text = buffer.getvalue()
        for colour, name in ((INK, 'ink'), (MAIN, 'main'), (OTHER, 'other')):
            text = text.replace(colour, f'var(--{name})')
        text = re.sub(r'<!DOCTYPE.*?>', '', text, flags=re.DOTALL)
        text = re.sub('(<svg[^>]*>)', r'\1' + _STYLE, text, count=1)
        return data_uri('image/svg+xml', text.encode())


def plain(text: str, most: int) -> str:
    """Shorten text that is no formula, whatever is in it.

    Args:
        text (str): Such as a name of the user's.
        most (int): Characters.

    Returns:
        str: For matplotlib, which takes what is between dollars for one.
    """
    return text[:most].encode(errors='replace').decode().replace('$', r'\$')


def draw_curve(points: List[Tuple[float, float]],
               unit: str,
               others: Optional[Dict[str, List[Tuple[float, float]]]] = None
               ) -> str:
    """Draw one logged number.

    Args:
        points (list): (place, value) pairs.
        unit (str): What places count.
        others (dict, optional): The same of other runs, by name.

    Returns:
        str: A data URI.
    """
    chart = Chart()
    # Several lines each, so that colour is not all that differs.
    lines = [('this run', points, MAIN, '-')]
    for place, (name, some) in enumerate((others or {}).items()):
        lines.append((name, some, (OTHER, INK)[place % 2],
                      ('--', ':', '-.')[place % 3]))
    with chart as axes:
        for name, some, colour, style in lines:
            place, mean, least, most = thin(some).T
            axes.plot(
                place,
                mean,
                style,
                color=colour,
                label=plain(name, 20),
                marker='o' if len(place) < 15 else None,
                markersize=4)
            axes.fill_between(
                place, least, most, color=colour, alpha=0.25, linewidth=0)
        if others:
            axes.legend()
        axes.set_xlabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        low, high = axes.dataLim.intervaly
        if low == high:  # else the axis would show its last decimals
            axes.set_ylim(low - (abs(low) or 1), low + (abs(low) or 1))
    return chart.uri


def draw_scores(scores: Sequence[Score]) -> str:
    """Draw accuracies with their noise.

    Args:
        scores (Sequence[Score]): From top to bottom.

    Returns:
        str: A data URI.
    """
    chart = Chart(height=60 + 34 * len(scores))
    with chart as axes:
        for place, score in enumerate(scores):
            main = place == 1
            axes.errorbar(
                score.knn,
                -place,
                xerr=score.noise,
                fmt='o' if main else 's',
                color=MAIN if main else OTHER,
                capsize=4)
        axes.set_yticks([-place for place in range(len(scores))],
                        [plain(score.name, 24) for score in scores])
        axes.set_ylim(0.5 - len(scores), 0.5)
        axes.set_xlabel('kNN top-1, ± two standard errors')
        axes.grid(False, axis='y')
    return chart.uri


def draw_sizes(sizes: List[int], average: float) -> str:
    """Draw the clusters of a checkpoint.

    Args:
        sizes (list[int]): Largest first.
        average (float): Images per cluster.

    Returns:
        str: A data URI.
    """
    chart = Chart(height=230)
    with chart as axes:
        axes.stairs(
            sizes, np.arange(len(sizes) + 1) + 0.5, fill=True, color=MAIN)
        axes.axhline(
            average, color=OTHER, linestyle='--', label='average')
        axes.legend()
        axes.set(xlabel='cluster, largest first', ylabel='images')
        axes.set_xlim(0.5, len(sizes) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return chart.uri


def draw_histograms(sizes: Dict[int, List[int]], unit: str) -> str:
    """Draw how many clusters have which size, over time.

    Args:
        sizes (dict[int, list[int]]): Images per cluster of each checkpoint.
        unit (str): What the checkpoints' numbers count.

    Returns:
        str: A data URI.
    """
    largest = max(max(each) for each in sizes.values())
    width = -(-(largest + 1) // 16)  # whole, or some bins would hold more
    edges = np.arange(0, largest + 1 + width, width)
    table = np.stack(
        [np.histogram(each, edges)[0] for each in sizes.values()], axis=1)
    chart = Chart(height=230)
    with chart as axes:
        image = axes.imshow(
            np.ma.masked_equal(table, 0),
            origin='lower',
            aspect='auto',
            cmap='cividis',
            interpolation='nearest',
            extent=(-0.5, len(sizes) - 0.5, edges[0], edges[-1]))
        numbers = list(sizes)
        shown = range(0, len(numbers), max(1, -(-len(numbers) // 6)))
        axes.set_xticks(list(shown), [str(numbers[place]) for place in shown])
        axes.set(xlabel=unit, ylabel='images in a cluster')
        axes.grid(False)
        axes.figure.colorbar(
            image, label='clusters', ticks=MaxNLocator(4, integer=True))
    return chart.uri

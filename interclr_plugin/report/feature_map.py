"""A plane map of features: near on the map, near for the network."""
from typing import Callable, List, NamedTuple

import numpy as np
from PIL import Image

from .charts import INK, Chart, plain
from .pictures import encode

# Told apart by colour-blind eyes, on white and on black; a marker each
# besides, and the name of the group where its points are.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#b8579a', '#8a7a1f')
MARKERS = ('o', '^', 's', 'D', 'v', 'P', 'X', '*', '<', '>', 'p', 'h')
REST = '#808080'
SIZE = 340
PERPLEXITY = 30
LEAST = 10
# Squares along an edge of the map of pictures, and pixels along one.
CELLS = 22
CELL = 40


class Group(NamedTuple):
    """Images that are drawn alike."""
    name: str
    members: np.ndarray  # positions on the map
    colour: str
    marker: str


def make_groups(numbers: np.ndarray, name: Callable[[int],
                                                    str]) -> List[Group]:
    """Give the largest classes or clusters a colour and a marker.

    Args:
        numbers (ndarray): (n,) the class or cluster of each image.
        name (Callable): Takes a number, gives a short name.

    Returns:
        list[Group]: By number; of more than 12, those beyond the 12 largest
        together as the last.
    """
    found, counts = np.unique(numbers, return_counts=True)
    largest = np.sort(found[np.argsort(-counts, kind='stable')[:len(MARKERS)]])
    groups = [
        Group(name(int(number)), np.flatnonzero(numbers == number),
              COLOURS[place % len(COLOURS)], MARKERS[place])
        for place, number in enumerate(largest)
    ]
    rest = np.flatnonzero(~np.isin(numbers, largest))
    if len(rest):
        groups.append(
            Group(f'{len(found) - len(largest)} others', rest, REST, '.'))
    return groups


def place(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Place images on a plane by t-SNE of their unit features.

    Args:
        features (ndarray): (n, D), finite.
        seed (int): Of its random part.

    Returns:
        ndarray: (n, 2).

    Raises:
        ValueError: There are too few images, or all features are equal.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits
    if len(features) < LEAST:
        raise ValueError(f'{len(features)} images are too few for a map: it '
                         f'needs {LEAST}.')
    rows = np.asarray(features, dtype=np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    if np.ptp(rows, axis=0).max() < 1e-6:
        raise ValueError('all images have the same feature, so that a map '
                         'shows one point.')
    # On a busy machine threads wait for each other, for minutes.
    with threadpool_limits(1):
        return TSNE(
            perplexity=min(PERPLEXITY, (len(rows) - 1) / 3),
            init='pca' if min(rows.shape) > 1 else 'random',
            random_state=seed).fit_transform(rows.astype(np.float32))


def draw_map(places: np.ndarray, groups: List[Group]) -> str:
    """Draw a map, with the name of each group amid its points.

    Args:
        places (ndarray): (n, 2).
        groups (list[Group]): Of these n images.

    Returns:
        str: A data URI.
    """
    chart = Chart(SIZE, SIZE)
    with chart as axes:
        for group in groups:
            x, y = places[group.members].T
            axes.plot(
                x,
                y,
                group.marker,
                color=group.colour,
                markersize=3.5,
                markeredgewidth=0,
                alpha=0.8,
                rasterized=True)
        for group in groups:
            if group.colour != REST:
                x, y = _densest(places[group.members])
                axes.text(
                    x,
                    y,
                    plain(group.name, 12),
                    color='white',
                    fontsize=11,
                    weight='bold',
                    ha='center',
                    va='center',
                    bbox=dict(
                        boxstyle='round,pad=0.2',
                        facecolor='#222222',
                        edgecolor='white',
                        linewidth=0.8))
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set(visible=True, color=INK, linewidth=0.6)
    return chart.uri


def draw_pictures(places: np.ndarray,
                  picture: Callable[[int, int], Image.Image]) -> str:
    """Draw a map of the images themselves, at most one to a square of it.

    Args:
        places (ndarray): (n, 2).
        picture (Callable): Gives the image of a position on the map with so
            many pixels along its edge.

    Returns:
        str: A data URI.
    """
    low, high = places.min(0), places.max(0)
    scaled = (places - low) / (high - low).clip(1e-12) * CELLS  # 0 to CELLS
    cells = np.minimum(scaled.astype(int), CELLS - 1)
    off = np.abs(scaled - cells - 0.5).sum(1)  # from the square's middle
    canvas = Image.new('RGBA', (CELLS * CELL, CELLS * CELL))
    taken = set()
    for place in np.argsort(off, kind='stable').tolist():
        column, row = cells[place].tolist()
        if (column, row) not in taken:
            taken.add((column, row))
            canvas.paste(
                picture(place, CELL - 2),
                (column * CELL + 1, (CELLS - 1 - row) * CELL + 1))
    return encode(canvas)


def draw_legend(group: Group) -> str:
    """Draw the marker of a group, for the legend.

    Args:
        group (Group): One.

    Returns:
        str: A data URI.
    """
    chart = Chart(16, 16)
    with chart as axes:
        axes.plot(0, 0, group.marker, color=group.colour, markersize=9)
        axes.set_axis_off()
    return chart.uri


def _densest(points: np.ndarray) -> np.ndarray:
    # A class in several islands has its middle between them, amid others.
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return points[np.sort(distances)[:, len(points) // 4].argmin()]

"""A folder of images for each cluster: copies or links, never over a file."""
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def _link(source: str, target: str) -> None:
    # Absolute, or it would lead elsewhere from its new place.
    os.symlink(os.path.abspath(source), target)


WAYS = dict(copy=shutil.copy2, link=_link)


def check_folder(folder: str) -> None:
    """Refuse a folder in which there is something.

    Args:
        folder (str): To be made.

    Raises:
        FileExistsError: It is there and not empty, or is a file.
    """
    path = Path(folder)
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        raise FileExistsError(
            f'{folder} is there already, and nothing is written into it. Name '
            'another folder, or remove it first.')


def make_folders(table: 'DataFrame', folder: str, way: str) -> int:
    """Sort images into a folder for each cluster.

    An image keeps its name behind its rank in the cluster, ``00003_cat.jpg``:
    so files of one name do not meet, and are shown nearest first.

    Args:
        table (DataFrame): From :func:`clusters`.
        folder (str): To be made.
        way (str): ``'copy'``, or ``'link'`` for symbolic links.

    Returns:
        int: How many folders there are.

    Raises:
        FileExistsError: Something is in the folder.
        FileNotFoundError: An image is not there.
        ValueError: The data set holds no files.
    """
    check_folder(folder)
    for file in table['file']:
        if not os.path.isfile(file):
            if file.isdigit():
                raise ValueError(
                    'the training set holds arrays and no files, of which '
                    'folders could be made. Leave out --copy and --link.')
            raise FileNotFoundError(
                f'there is no image {file}, of the training set: nothing was '
                'sorted. Run this where its paths lead to the images.')
    places = {}
    width = len(str(table['cluster'].max()))
    for cluster, size in table['cluster'].value_counts().items():
        place = Path(folder, f'{cluster:0{width}}')
        place.mkdir(parents=True)
        places[cluster] = place, len(str(size - 1))
    for row in table.itertuples(index=False):
        place, digits = places[row.cluster]
        name = f'{row.rank:0{digits}}_{os.path.basename(row.file)}'
        WAYS[way](row.file, str(place / name))
    return len(places)

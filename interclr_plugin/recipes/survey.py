"""What a folder of images is for: to train, to test, in which classes."""
from collections import Counter
from statistics import median
from typing import Dict, List, NamedTuple, Tuple

from ..datasets.image_files import check_images, find_images

TRAIN = 'train'
TESTS = 'test', 'val', 'valid', 'validation'
# Every fifth image of a class is held out where there is no test folder.
HELD_OUT = 5


class Survey(NamedTuple):
    """What was found.

    Args:
        prefix (str): Folder of the training images: ``'train'``, or ``''``
            where there is none of that name beside a test folder.
        names (list[str]): Training images below it that can be used.
        test_prefix (str): Folder of the test images, or ``''``.
        test_names (list[str]): Test images below it.
        classes (list[str]): Names of the sub-folders that all training
            images lie in, or none.
        edge (int): Median of the training images' shorter edges, in pixels.
        faults (dict[str, str]): What cannot be used, and why, below the
            folder itself.
        others (Counter): Number of files by other extensions.
    """
    prefix: str
    names: List[str]
    test_prefix: str
    test_names: List[str]
    classes: List[str]
    edge: int
    faults: Dict[str, str]
    others: Counter


def survey(folder: str, max_pixels: int) -> Survey:
    """Look for images, decode each and tell what they are for.

    Args:
        folder (str): Where to look.
        max_pixels (int): More make an image unusable.

    Returns:
        Survey: Of all files below the folder.

    Raises:
        ValueError: There is no image that can be trained on.
    """
    found = find_images(folder)
    results = check_images(folder, found.names, max_pixels)
    edges = {}
    for name, (edge, fault) in zip(found.names, results):
        if fault:
            found.faults[name] = fault
        else:
            edges[name] = edge
    first = {name.split('/')[0] for name in edges if '/' in name}
    tests = [name for name in TESTS if name in first]
    prefix, test_prefix = (
        (TRAIN, tests[0]) if TRAIN in first and tests else ('', ''))
    names = _below(prefix, edges)
    if not names:
        raise ValueError(
            f'{len(found.names):,} images are in {folder} and none can be '
            f'used; others: {dict(found.others) or "none"}. The first of '
            f'those that cannot: {dict(list(found.faults.items())[:3])}')
    test_names = _below(test_prefix, edges) if test_prefix else []
    classes = _folders(names)
    if not set(_folders(test_names)) <= set(classes):
        classes = []
    within = f'{prefix}/' if prefix else ''
    edge = round(median(edges[within + name] for name in names))
    return Survey(prefix, names, test_prefix, test_names, classes, edge,
                  found.faults, found.others)


def hold_out(names: List[str]) -> Tuple[List[str], List[str]]:
    """Divide images for an evaluation, each class for itself.

    Args:
        names (list[str]): Below the classes' folders.

    Returns:
        tuple[list[str], list[str]]: Four of five images of each class, and
        the rest: at least one where a class has two.
    """
    seen, test = Counter(), set()
    total = Counter(name.split('/')[0] for name in names)
    for name in names:
        of = name.split('/')[0]
        seen[of] += 1
        last_of_few = 1 < seen[of] == total[of] < HELD_OUT
        if last_of_few or seen[of] % HELD_OUT == 0:
            test.add(name)
    return ([name for name in names if name not in test],
            [name for name in names if name in test])


def _below(prefix: str, names: Dict[str, int]) -> List[str]:
    start = f'{prefix}/' if prefix else ''
    return [name[len(start):] for name in names if name.startswith(start)]


def _folders(names: List[str]) -> List[str]:
    folders = {name.split('/')[0] for name in names if '/' in name}
    alone = any('/' not in name for name in names)
    return [] if alone or len(folders) < 2 else sorted(folders)

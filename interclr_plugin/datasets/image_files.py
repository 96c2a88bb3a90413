"""Which files of a folder are images that can be used, and what the rest are.

A file is usable if Pillow, which notices what is cut off, and OpenCV, with
which the libraries load images, both decode it.
"""
import multiprocessing
import os
import stat
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import track

EXTENSIONS = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif',
              '.tiff', '.webp')
# Beyond this Pillow warns of a decompression bomb.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS
# Fewer are checked faster than processes start.
_FEW = 200
_AT_ONCE = 64


class Found(NamedTuple):
    """What a folder holds.

    Args:
        names (list[str]): Files that may be images, below the folder, in the
            order of their bytes. Bytes that are no UTF-8 are Python's
            surrogates.
        faults (dict[str, str]): What else was met, and why it is not used.
        others (Counter): How many files of which other extension there are.
    """
    names: List[str]
    faults: Dict[str, str]
    others: Counter


def find_images(folder: str) -> Found:
    """Look for images by their extensions, in folders of any depth.

    Hidden files and folders are passed over, as by the stock data sets. A
    link to a folder is followed once, and not where it leads to what is read
    anyway, so that a loop ends.

    Args:
        folder (str): Where to look.

    Returns:
        Found: Nothing in it has been opened yet.

    Raises:
        ValueError: There is no such folder, or it must not be read.
    """
    root = os.path.realpath(folder)
    if not os.path.isdir(root):
        raise ValueError(f'{shown(str(folder))} is no folder. Name the one '
                         'that holds the images.')
    found, followed, waiting = Found([], {}, Counter()), {root}, ['']
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as scanned:
                entries = sorted(
                    (e for e in scanned if not e.name.startswith('.')),
                    key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            if not below:
                raise ValueError(f'{shown(str(folder))}: {error.strerror}. '
                                 'Give yourself the right to read '
                                 'it.') from error
            found.faults[below] = f'a folder: {error.strerror}'
            continue
        for entry in entries:
            name = os.path.join(below, entry.name)
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError as error:
                found.faults[name] = f'a link: {error.strerror}'
                continue
            if not is_folder:
                _sort_in(name, is_file, root, found)
                continue
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                inside = os.path.join(target, '').startswith(
                    os.path.join(root, ''))
                if inside or target in followed:
                    found.faults[name] = ('a link to a folder that is read '
                                          'without it, or a loop')
                    continue
                followed.add(target)
            waiting.append(name)
    found.names.sort(key=os.fsencode)
    return found


def _sort_in(name: str, is_file: bool, root: str, found: Found) -> None:
    extension = os.path.splitext(name)[1].lower()
    if extension not in EXTENSIONS:
        found.others[extension or 'none'] += 1
    elif not is_file:  # a pipe would be waited for
        found.faults[name] = check_image(os.path.join(root, name))[1]
    elif '\n' in name:
        found.faults[name] = 'a line break in its name: rename it'
    else:
        found.names.append(name)


def check_images(folder: str,
                 names: List[str],
                 max_pixels: int = MAX_PIXELS,
                 quiet: bool = False) -> List[Tuple[Optional[int], str]]:
    """Decode every image, on all cores, with a bar.

    Args:
        folder (str): Where they are.
        names (list[str]): Files below the folder.
        max_pixels (int): More make an image unusable.
        quiet (bool): Show no bar.

    Returns:
        list[tuple]: For each name its shorter edge in pixels and ``''``, or
        None and what is wrong.
    """
    check = partial(_check_below, os.path.realpath(folder), max_pixels)
    bar = partial(
        track,
        description='Checking images',
        total=len(names),
        console=Console(stderr=True),
        disable=quiet)
    processes = min(_cores(), len(names) // _FEW)
    if processes < 2:
        return list(bar(map(check, names)))
    fork = 'fork' in multiprocessing.get_all_start_methods()
    with ProcessPoolExecutor(
            processes,
            multiprocessing.get_context('fork' if fork else None),
            initializer=_without_chatter) as pool:
        return list(bar(pool.map(check, names, chunksize=_AT_ONCE)))


def check_image(path: str,
                max_pixels: int = MAX_PIXELS) -> Tuple[Optional[int], str]:
    """Decode a file.

    Args:
        path (str): Of the file.
        max_pixels (int): More make it unusable.

    Returns:
        tuple: As of :func:`check_images`.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None, 'no file, but a folder, a pipe or a device'
        if not status.st_size:
            return None, 'empty'
        with warnings.catch_warnings():
            # Of metadata that nobody reads here.
            warnings.simplefilter('ignore')
            return _decode(path, max_pixels)
    except FileNotFoundError:
        link = os.path.islink(path)
        return None, 'a link that leads nowhere' if link else 'missing'
    except OSError as error:
        return None, f'not readable: {error.strerror or error}'


def _decode(path: str, max_pixels: int) -> Tuple[Optional[int], str]:
    limit = f'beyond the limit of {max_pixels:,} pixels'
    try:
        image = Image.open(path)
    except UnidentifiedImageError:
        return None, 'not an image'
    except Image.DecompressionBombError:
        return None, limit
    except OSError as error:
        if error.errno is not None:  # of the file's system, not of Pillow
            raise
        return None, f'cut off or damaged: {error}'
    with image:
        width, height = image.size
        if width * height > max_pixels:
            return None, f'{width} x {height}: {limit}'
        try:
            # JPEG is read at an eighth of its size, whole all the same.
            image.draft('RGB', (1, 1))
            image.load()
        except Exception as error:  # of as many kinds as there are formats
            return None, f'cut off or damaged: {error}'
    try:
        content = np.frombuffer(Path(path).read_bytes(), np.uint8)
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error as error:
        return None, f'OpenCV cannot decode it: {error.err}'
    if decoded is None:
        return None, f'OpenCV cannot decode this {image.format}'
    return min(width, height), ''


def shown(name: str) -> str:
    """Write a file's name so that it can be printed.

    Args:
        name (str): Possibly with line breaks or bytes that are no UTF-8.

    Returns:
        str: With an escape such as ``\\xff`` for each of them.
    """
    text = os.fsencode(name).decode('utf-8', 'backslashreplace')
    return ''.join(
        letter if letter.isprintable() else
        letter.encode('unicode_escape').decode() for letter in text)


def _check_below(folder: str, max_pixels: int,
                 name: str) -> Tuple[Optional[int], str]:
    return check_image(os.path.join(folder, name), max_pixels)


def _cores() -> int:
    if hasattr(os, 'sched_getaffinity'):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _without_chatter() -> None:
    # The decoders' C code writes warnings into the progress bar.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    cv2.setNumThreads(0)

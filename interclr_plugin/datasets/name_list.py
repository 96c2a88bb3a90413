"""Names of a hundred million images, without a Python object for each."""
from collections.abc import Sequence
from typing import Any, Callable, Iterable, Tuple, Union

import numpy as np

# No file name has a zero byte in it.
END = b'\0'
# What is no UTF-8 becomes Python's surrogates, whatever the system's encoding.
_ERRORS = 'surrogateescape'
# Bytes that are looked at together.
_BLOCK = 1 << 24


class NameList(Sequence):
    """A data set's entries, made from names when they are asked for.

    Args:
        text (ndarray): uint8, the names one after the other, each with a
            zero byte behind it.
        stops (ndarray): (n,) int64, where in ``text`` each ends, its zero
            byte included.
        entry (Callable): Makes a name's entry; ``str``: the name itself.
    """

    def __init__(self, text: np.ndarray, stops: np.ndarray,
                 entry: Callable[[str], Any]) -> None:
        self.text, self.stops, self.entry = text, stops, entry

    def __len__(self) -> int:
        return len(self.stops)

    def __getitem__(self, index: Union[int, slice]) -> Any:
        which = range(len(self))[index]
        if isinstance(index, slice):
            return [self[i] for i in which]
        return self.entry(name_at(self.text, self.stops, which))


def name_at(text: np.ndarray, stops: np.ndarray, index: int) -> str:
    """Cut a name out.

    Args:
        text (ndarray): As of :class:`NameList`.
        stops (ndarray): As of :class:`NameList`.
        index (int): 0 to n - 1.

    Returns:
        str: Bytes that are no UTF-8 are Python's surrogates.
    """
    start = int(stops[index - 1]) if index else 0
    name = text[start:int(stops[index]) - 1].tobytes()
    return name.decode('utf-8', _ERRORS)


def packed(names: Iterable[str]) -> Tuple[np.ndarray, np.ndarray]:
    """Put names one after the other.

    Args:
        names (Iterable[str]): Without a zero byte.

    Returns:
        tuple[ndarray, ndarray]: ``text`` and ``stops`` of :class:`NameList`.
    """
    text = bytearray()
    stops = np.fromiter((_append(text, name) for name in names), np.int64)
    return np.frombuffer(text, np.uint8), stops


def read_names(path: str) -> Tuple[np.ndarray, np.ndarray]:
    """Read a file with a name in each line, in any bytes.

    Args:
        path (str): Empty lines in it, and what a line of Windows has at its
            end, are left out.

    Returns:
        tuple[ndarray, ndarray]: ``text`` and ``stops`` of :class:`NameList`.
    """
    text, stops = np.fromfile(path, np.uint8), []
    for start in range(0, len(text), _BLOCK):
        block = text[start:start + _BLOCK]
        line_ends = np.flatnonzero(block == ord('\n'))
        block[line_ends] = 0
        stops.append(line_ends + start + 1)
    stops = np.concatenate(stops or [np.empty(0, np.int64)])
    if len(text) and text[-1]:
        text = np.append(text, np.uint8(0))
        stops = np.append(stops, len(text))
    if _has(text, ord('\r')) or (np.diff(stops, prepend=0) == 1).any():
        names = (name.rstrip('\r') for name in NameList(text, stops, str))
        return packed(filter(None, names))
    return text, stops


def _append(text: bytearray, name: str) -> int:
    text += name.encode('utf-8', _ERRORS) + END
    return len(text)


def _has(text: np.ndarray, letter: int) -> bool:
    return any((text[start:start + _BLOCK] == letter).any()
               for start in range(0, len(text), _BLOCK))

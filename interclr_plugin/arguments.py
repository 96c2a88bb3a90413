"""How a setting that cannot be is refused, and which line to change."""
from typing import Collection, Optional


def check_least(name: str, value: Optional[float], least: float,
                place: str) -> None:
    """Refuse a number that is too small.

    Args:
        name (str): Of the argument.
        value (float, optional): None passes.
        least (float): The least that is allowed.
        place (str): Of the argument in a configuration, which ``{}`` marks.

    Raises:
        ValueError: It is smaller, or NaN.
    """
    if value is not None and not value >= least:
        raise ValueError(f'{name}={value} must be at least {least}. Change '
                         f'{place.format(f"{name}=...")}.')


def check_known(name: str, value: str, known: Collection[str],
                place: str) -> None:
    """Refuse a word that is none of those known.

    Args:
        name (str): Of the argument.
        value (str): Given for it.
        known (Collection[str]): What is allowed.
        place (str): As for :func:`check_least`.

    Raises:
        ValueError: It is another one.
    """
    if value not in known:
        raise ValueError(f'{name}={value!r} is unknown; allowed: '
                         f'{", ".join(map(repr, known))}. Change '
                         f'{place.format(f"{name}=...")}.')

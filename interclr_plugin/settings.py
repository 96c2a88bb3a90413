"""Which settings and values a component takes, and what is said of others."""
import difflib
import functools
import inspect
import re
import typing
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

# What an annotation asks for: a test of the value, and its words.
_KINDS = {
    int: (Integral, 'a whole number'),
    float: (Real, 'a number'),
    bool: (bool, 'True or False'),
    dict: (Mapping, 'dict(...)'),
}
# Where each setting of the model is written, for one in a wrong place.
_PLACES: Dict[str, List[str]] = {}


def written_in(line: Optional[str] = None) -> Callable[[Callable], Callable]:
    """Have a class or a function refuse settings that it does not have.

    A derived class may have more: what it hands on is checked here.

    Args:
        line (str, optional): The line of a configuration that sets them,
            with ``{}`` where ``name=value`` stands. Defaults to None: the
            class's own, such as ``dict(type='MemoryBankHook', ...)``.

    Returns:
        Callable: A decorator, to be used below ``register_module()``.
    """

    def decorate(target: Callable) -> Callable:
        place = line or f"dict(type='{target.__name__}', {{}})"
        if place.startswith('model='):
            for name in _parameters(target):
                _PLACES.setdefault(name, []).append(place)
        is_class = inspect.isclass(target)
        call = target.__init__ if is_class else target

        @functools.wraps(call)
        def checked(*args, **given):
            require_settings(target, given, place)
            require_all(target, given, place)
            return call(*args, **given)

        if not is_class:
            return checked
        target.__init__ = checked
        return target

    return decorate


def require_settings(target: Callable,
                     given: Dict[str, Any],
                     line: str,
                     *,
                     more: Iterable[str] = (),
                     kinds: bool = True) -> None:
    """Refuse settings that a class or function does not have.

    Args:
        target (Callable): Whose arguments are allowed.
        given (dict): Settings as the user wrote them.
        line (str): As for :func:`written_in`.
        more (Iterable[str]): Further names that are allowed.
        kinds (bool): Compare the values with the annotations too: a whole
            number, a number, a truth value or a dict. Defaults to True.

    Raises:
        ValueError: Names the setting, the nearest that is allowed, all of
            them, and the line to write.
    """
    parameters = _parameters(target)
    allowed = [*parameters, *(name for name in more if name not in parameters)]
    unknown = [
        name for name in given if name not in allowed and name != '_scope_'
    ]
    if unknown and not _takes_any(target):
        raise ValueError(
            f'{target.__name__} has no setting '
            f'{", ".join(map(repr, unknown))}. '
            f'{" ".join(_instead(name, allowed, line) for name in unknown)} '
            f'Allowed: {", ".join(_shown(allowed, line)) or "none"}.')
    for name, value in given.items():
        if kinds and name in parameters:
            _require_kind(parameters[name], value, line)


def require_all(target: Callable, given: Iterable[str], line: str) -> None:
    """Refuse to go on without a setting that has no default.

    Args:
        target (Callable): Whose arguments.
        given (Iterable[str]): Names that are set.
        line (str): As for :func:`written_in`.

    Raises:
        ValueError: Names the setting and the line to write.
    """
    missing = [
        name for name, parameter in _parameters(target).items()
        if parameter.default is parameter.empty and name not in given
    ]
    if missing:
        wanted = ', '.join(f'{name}=...' for name in missing)
        raise ValueError(
            f'{target.__name__} needs {" and ".join(missing)}, which '
            f'{"is" if len(missing) == 1 else "are"} not set. Write '
            f'{line.format(wanted)}.')


def check_least(name: str, value: Optional[float], least: float,
                line: str) -> None:
    """Refuse a number that is too small, or NaN; None passes.

    Args:
        name (str): Of the setting.
        value (float, optional): Given for it.
        least (float): The least that is allowed.
        line (str): As for :func:`written_in`.

    Raises:
        ValueError: Names the value, the least, and the line to change.
    """
    if value is not None and not value >= least:
        raise ValueError(f'{name}={value} must be at least {least}. Change '
                         f'{line.format(f"{name}=...")}.')


def check_known(name: str, value: str, known: Iterable[str],
                line: str) -> None:
    """Refuse a word that is none of those known.

    Args:
        name (str): Of the setting.
        value (str): Given for it.
        known (Iterable[str]): What is allowed.
        line (str): As for :func:`written_in`.

    Raises:
        ValueError: Names the value, those allowed, and the line to change.
    """
    if value not in known:
        raise ValueError(f'{name}={value!r} is unknown; allowed: '
                         f'{", ".join(map(repr, known))}. Change '
                         f'{line.format(f"{name}=...")}.')


def nearest(name: str, allowed: Iterable[str]) -> Optional[str]:
    """Find the name that was probably meant.

    Args:
        name (str): As it was written.
        allowed (Iterable[str]): The names there are.

    Returns:
        str, optional: One of them, or None.
    """
    known = {other.lower(): other for other in allowed}
    lower = str(name).lower()
    # MoCo v2 is the class MoCo.
    for guess in (lower, re.sub(r'_?v\d+$', '', lower)):
        if guess in known:
            return known[guess]
    found = difflib.get_close_matches(lower, known, 1)
    return known[found[0]] if found else None


def _instead(name: str, allowed: List[str], line: str) -> str:
    place = _place(name, line)
    if place != line and line.startswith('model='):
        return (f'{name!r} is a setting of another part: write '
                f'{place.format(f"{name}=...")}, or remove it.')
    meant = nearest(name, allowed)
    if meant:
        setting = line.format(f'{meant}=...')
        return f'Did you mean {meant!r}? Write {setting}.'
    return f'Remove {line.format(f"{name}=...")}.'


def _place(name: str, line: str) -> str:
    """Where a setting of the model is written; the line itself by default."""
    return min(_PLACES.get(name, [line]), key=len)


def _shown(allowed: List[str], line: str) -> List[str]:
    """Without what is written elsewhere, and handed on from there."""
    return [
        name for name in allowed
        if line not in _PLACES.get(name, ()) or line == _place(name, line)
    ]


def _require_kind(parameter: inspect.Parameter, value: Any,
                  line: str) -> None:
    kinds = _alternatives(parameter.annotation)
    if not kinds or any(_is_kind(kind, value) for kind in kinds):
        return
    words = ' or '.join(
        'None' if kind is type(None) else _KINDS[kind][1] for kind in kinds)
    raise ValueError(
        f'{parameter.name}={value!r} is not allowed; it is {words}. Write '
        f'{line.format(f"{parameter.name}={_suggestion(value, kinds)}")}.')


def _alternatives(annotation: Any) -> Tuple[type, ...]:
    """The kinds that are allowed; none where a value cannot be judged."""
    several = typing.get_origin(annotation) is Union
    kinds = typing.get_args(annotation) if several else (annotation, )
    judged = all(kind in _KINDS or kind is type(None) for kind in kinds)
    return tuple(kinds) if judged else ()


def _is_kind(kind: type, value: Any) -> bool:
    if kind is type(None):
        return value is None
    # A truth value is a whole number to Python.
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, _KINDS[kind][0])


def _suggestion(value: Any, kinds: Tuple[type, ...]) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return '...'
    if int in kinds:
        return str(int(number)) if number.is_integer() else '...'
    return f'{number:g}' if float in kinds else '...'


def _parameters(target: Callable) -> Dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD,
                              parameter.KEYWORD_ONLY)
    }


def _takes_any(target: Callable) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD
               for parameter in inspect.signature(target).parameters.values())

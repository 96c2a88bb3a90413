"""How a configuration from a stranger is read: as data, and nothing is run."""
import ast
import inspect
from pathlib import Path
from typing import Any, Iterator, Tuple

from mmengine.config import Config
from mmengine.utils import get_object_from_string, import_modules_from_strings

# What may be imported because a configuration names it.
PACKAGES = ('interclr_plugin', 'mmcls', 'mmcv', 'mmdet', 'mmengine',
            'mmpretrain', 'mmseg', 'mmselfsup', 'torch', 'torchvision')
# Data whose loader runs what it holds: pickles, and YAML as mmengine reads it.
_RUN = ('.pkl', '.pickle', '.yaml', '.yml')


def read_plain_config(path: str) -> Config:
    """Read a configuration as the Runner writes it, without running it.

    Numbers, strings, lists and ``dict(...)`` are read; anything else is code.
    Classes that it names are built only out of the packages of OpenMMLab,
    torch and this one.

    Args:
        path (str): Such as ``work_dirs/mine/my_config.py``.

    Returns:
        Config: The same as ``Config.fromfile`` gives.

    Raises:
        ValueError: The file holds code, or names what would run some.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
        tree = ast.parse(text)
        values = {}
        for line in tree.body:
            if not (isinstance(line, ast.Assign) and len(line.targets) == 1
                    and isinstance(line.targets[0], ast.Name)):
                raise ValueError(f'line {line.lineno} is no `name = value`')
            values[line.targets[0].id] = _value(line.value)
        _check(values)
    except (RecursionError, SyntaxError, ValueError) as error:
        raise ValueError(f'{path} could run code: {error}.') from error
    config = Config(values, cfg_text=text, filename=str(path))
    imports = config.get('custom_imports')
    if imports:
        import_modules_from_strings(**imports)
    return config


def _value(node: ast.AST) -> Any:
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id == 'dict'
                and len(node.args) < 2):
            raise ValueError(f'line {node.lineno} calls a function')
        found = dict(*map(_value, node.args))
        for keyword in node.keywords:
            value = _value(keyword.value)
            found.update(
                value if keyword.arg is None else {keyword.arg: value})
        return found
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(map(_value, node.elts))
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError(f'line {node.lineno} is no plain value')
        return dict(zip(map(_value, node.keys), map(_value, node.values)))
    return ast.literal_eval(node)


def _check(values: dict) -> None:
    imports = (values.get('custom_imports') or {}).get('imports') or []
    for name in [imports] if isinstance(imports, str) else imports:
        if str(name).split('.')[0] not in PACKAGES:
            raise ValueError(f'custom_imports names {name}')
    for key, value in _leaves(values):
        if not isinstance(value, str):
            continue
        if key == 'type' and '.' in value and not _is_known(value):
            raise ValueError(f'type={value!r} is no class of '
                             f'{", ".join(PACKAGES)}')
        # RefCOCO's split_file is a pickle of any name.
        if value.endswith(_RUN) or key == 'split_file':
            raise ValueError(f'{key}={value!r} is a pickle or YAML')


def _is_known(name: str) -> bool:
    # A registry takes the path of any Python object for a type.
    if name.split('.')[0] not in PACKAGES:
        return False
    found = get_object_from_string(name)
    if found is None:  # mmcls.ResNet: to be found by a registry, or not at all
        return True
    return inspect.isclass(found) and (
        found.__module__.split('.')[0] in PACKAGES)


def _leaves(value: Any, key: str = '') -> Iterator[Tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, str(name))
    elif isinstance(value, (list, tuple, set)):
        for each in value:
            yield from _leaves(each, key)
    else:
        yield key, value

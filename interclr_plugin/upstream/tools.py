"""Which program trains and tests: that of a configuration's own library."""
import importlib.util
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import List, Optional

from mmengine.config import Config

from ..user_errors import said_to_the_user, sentence

PACKAGE = Path(__file__).resolve().parents[1]
CONFIGURATIONS = '.py', '.yml', '.yaml', '.json'
# Whose help is shown where no configuration is named.
LIBRARIES = 'mmpretrain', 'mmselfsup'


def run_tool(tool: str, words: List[str]) -> None:
    """Run a library's ``train.py`` or ``test.py`` with the plugin there.

    So a configuration may inherit from ``interclr_plugin::...``, and all
    options and defaults are those of the stock tool, which stays unchanged.

    Args:
        tool (str): ``'train'`` or ``'test'``.
        words (list[str]): A configuration, a path or the name of one of the
            package's own, and the options of the stock tool.

    Raises:
        ValueError: There is no such configuration, or its library has no such
            tool.
    """
    words = list(words)
    named = [
        place for place, word in enumerate(words)
        if word.endswith(CONFIGURATIONS) and not word.startswith('-')
    ]
    if named:
        words[named[0]] = find_config(words[named[0]])
        scope = read_config(words[named[0]]).get('default_scope')
        script = stock_tool(scope, tool)
        if script is None:
            raise ValueError(
                f'default_scope={scope!r} of {words[named[0]]} has no '
                f'{tool}.py that is installed. Change default_scope, or '
                'install its library.')
    else:
        tools = [stock_tool(library, tool) for library in LIBRARIES]
        script = next(filter(None, tools), None)
        if script is None or not {'-h', '--help'} & set(words):
            raise ValueError(f'{tool} CONFIG: name a configuration, a path '
                             'or the name of one of interclr_plugin.')
    sys.argv = [script, *words]
    try:
        runpy.run_path(script, run_name='__main__')
    except Exception as error:
        said = said_to_the_user(error)
        if said is None:  # some code failed in the run
            traceback.print_exc()
            sys.exit(1)
        raise ValueError(said) from error


def read_config(path: str) -> Config:
    """Read a configuration; whatever goes wrong is said with its name.

    Args:
        path (str): Of the file.

    Returns:
        Config: What it says.

    Raises:
        ValueError: It cannot be read. A configuration is code, and so are
            those that it inherits from.
    """
    try:
        return Config.fromfile(path)
    except Exception as error:
        kind = type(error).__name__
        raise ValueError(f'{path}: {kind}: {sentence(error)}') from error


def find_config(name: str) -> str:
    """Find a configuration as mim does: by path, else by its name.

    Args:
        name (str): A path, or the name of a file that the package has.

    Returns:
        str: A path.

    Raises:
        ValueError: There is none, or more than one of that name.
    """
    if os.path.exists(name):
        return name
    folder = PACKAGE / '.mim/configs'
    # Through the link of a source tree too, which Path.rglob passes over.
    found = [
        os.path.join(where, Path(name).name)
        for where, _, files in os.walk(folder, followlinks=True)
        if Path(name).name in files
    ]
    if len(found) != 1:
        raise ValueError(
            f'{name} is no path, and interclr_plugin has {len(found)} '
            f'configurations of that name. See those in {folder}.')
    return os.path.realpath(found[0])


def stock_tool(library: Optional[str], tool: str) -> Optional[str]:
    """Find a library's tool without importing the library.

    Args:
        library (str, optional): Such as ``'mmpretrain'``.
        tool (str): ``'train'`` or ``'test'``.

    Returns:
        str, optional: Path, or None where there is none.
    """
    spec = importlib.util.find_spec(library) if library else None
    for folder in (spec and spec.submodule_search_locations) or ():
        # Beside a source tree's package; beside an installed one lie others'.
        place = Path(folder, '.mim')
        place = place if place.exists() else Path(folder).parent
        script = place / 'tools' / f'{tool}.py'
        if script.is_file():
            return str(script)
    return None

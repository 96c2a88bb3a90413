"""The one door to all commands: which is meant, and how an error is said."""
import importlib
import sys
from typing import List, Optional

from .commands import COMMANDS, PROGRAM
from .user_errors import said_to_the_user, sentence

# What a file, a configuration or a number that a user names can lead to.
_OF_THE_USER = OSError, ValueError, ImportError, KeyError, SyntaxError


def main(argv: Optional[List[str]] = None) -> None:
    """Run a command.

    Args:
        argv (list[str], optional): The command's name and its words. None:
            those of the process.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in ('-h', '--help'):
        print(overview())
        return
    if not words or words[0] not in COMMANDS:
        said = f'there is no command {words[0]!r}' if words else 'name one'
        print(f'{overview()}\n\nerror: {said}; allowed: '
              f'{", ".join(COMMANDS)}', file=sys.stderr)
        sys.exit(2)
    name, *rest = words
    try:
        # What a command needs may not be installed.
        command = importlib.import_module(f'.commands.{name}', __package__)
        command.main(rest)
    except _OF_THE_USER as error:
        sys.exit(f'error: {sentence(error)}')
    except Exception as error:
        said = said_to_the_user(error)
        if said is None:
            raise  # a fault of some code, which its traceback shows
        sys.exit(f'error: {said}')


def overview() -> str:
    """List the commands.

    Returns:
        str: A line for each.
    """
    return '\n'.join([
        f'usage: {PROGRAM} COMMAND ...', '',
        *(f'  {name:<12}{line}' for name, line in COMMANDS.items()), '',
        f'{PROGRAM} COMMAND --help lists what a command takes.'
    ])


if __name__ == '__main__':
    main()

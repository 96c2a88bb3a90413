"""How a configuration is written with a comment on what matters in it."""
import re
import textwrap
from typing import Dict, List

from mmengine.config import Config

# What a reader looks for first.
_ORDER = ('default_scope', 'custom_imports', 'model', 'data_preprocessor',
          'train_dataloader', 'evaluation', 'optim_wrapper',
          'param_scheduler', 'train_cfg', 'custom_hooks', 'val_dataloader',
          'val_cfg', 'val_evaluator', 'test_dataloader', 'test_cfg',
          'test_evaluator')
_WIDTH = 79


def commented(config: Config, about: List[str],
              comments: Dict[str, str]) -> bytes:
    """Write a configuration.

    Args:
        config (Config): All of its settings.
        about (list[str]): Lines, or paragraphs, to stand at its top.
        comments (dict[str, str]): By the name of a setting, what is said
            above it, wherever it first stands.

    Returns:
        bytes: A file that ``Config.fromfile`` reads as ``config``.
    """
    names = [name for name in _ORDER if name in config]
    names += sorted(set(config.keys()) - set(names))
    text = '\n'.join(
        Config({name: config[name]}).pretty_text.strip() for name in names)
    left, lines = dict(comments), []
    for line in text.splitlines():
        # pretty_text puts several settings into a line where they are short.
        for name in [name for name in left if _sets(line, name)]:
            indent = line[:len(line) - len(line.lstrip())]
            lines += _comment(left.pop(name), indent)
        lines.append(line)
    head = [part for line in about for part in _comment(line, '')]
    return ('\n'.join([*head, *lines]) + '\n').encode()


def _sets(line: str, name: str) -> bool:
    return bool(re.search(rf'(^|[\s(]){name} ?=', line))


def _comment(text: str, indent: str) -> List[str]:
    if text.startswith('  ') or not text:  # a command, or an empty line
        return [f'{indent}# {text}'.rstrip()]
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f'{indent}# ',
        subsequent_indent=f'{indent}# ',
        break_long_words=False,
        break_on_hyphens=False)

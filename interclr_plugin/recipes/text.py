"""How a configuration is written: whole, with comments on what matters."""
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
# Variables that the stock files only build their own lines from.
_SCAFFOLD = ('dataset_type', 'data_root', 'pipeline', 'train_pipeline',
             'test_pipeline', 'view_pipeline', 'optimizer', 'view_pipeline1',
             'view_pipeline2', 'auto_scale_lr', 'bgr_mean', 'bgr_std')
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


def plain(config: Config) -> Config:
    """Leave out what is only of use in files that others inherit from.

    Args:
        config (Config): With all that it inherited.

    Returns:
        Config: Of the same training.
    """
    kept = {
        name: value
        for name, value in config._cfg_dict.to_dict().items()
        if name not in _SCAFFOLD
    }
    return Config(_without_scope(kept, config.default_scope))


def _without_scope(value, scope):
    if isinstance(value, dict):
        return {
            name: _without_scope(item, scope)
            for name, item in value.items()
            if not (name == '_scope_' and item == scope)
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_without_scope(item, scope) for item in value)
    return value


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

"""Where a run's numbers come from: versions and configuration."""
import os
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import Dict, List

from mmengine.config import Config

from ..results.run import Run
from .redaction import redact, redact_text

# Distributions whose versions can change the numbers.
_PACKAGES = ('interclr-plugin', 'torch', 'torchvision', 'numpy', 'mmengine',
             'mmcv-lite', 'mmcv', 'mmselfsup', 'mmcls', 'mmpretrain',
             'scikit-learn', 'matplotlib')
# What mmengine logs about the training's own machine, without its paths.
_LOGGED = ('sys.platform', 'Python', 'PyTorch', 'TorchVision', 'OpenCV',
           'MMEngine', 'CUDA available')


def summary(config: Config) -> str:
    """Say in a few words what was trained on what.

    Args:
        config (Config): Of a pre-training.

    Returns:
        str: Method, backbone, data set.
    """
    model, dataset = config.model, config.train_dataloader.dataset
    method = model.type
    if model.get('algorithm'):
        method = f'{method} on {model.algorithm}'
    backbone = model.backbone.type
    if model.backbone.get('depth'):
        backbone = f'{backbone}-{model.backbone.depth}'
    while 'dataset' in dataset:  # RepeatDataset and its like
        dataset = dataset.dataset
    return f'{method}, {backbone}, {dataset.type}'


def versions() -> Dict[str, str]:
    """Versions of what this process runs on.

    Returns:
        dict[str, str]: By name; what is not installed is left out.
    """
    found = dict(Python=platform.python_version(),
                 system=f'{platform.system()} {platform.machine()}')
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def training_versions(run: Run) -> Dict[str, str]:
    """Versions that the training itself has logged at its last start.

    Args:
        run (Run): Of the training.

    Returns:
        dict[str, str]: By name; empty where there is no such log.
    """
    found: Dict[str, str] = {}
    logs = sorted(run.work_dir.glob('*/*.log'))
    if not logs:
        return found
    text = logs[-1].read_text(encoding='utf-8', errors='replace')
    block = text.partition('System environment:')[2]
    for line in block.partition('Runtime environment:')[0].splitlines():
        name, _, value = line.strip().partition(': ')
        if name in _LOGGED or name.startswith('GPU '):
            found[name] = value.split(' (')[0]
    return found


def config_text(run: Run) -> str:
    """Write the configuration out, without folders and secrets of the user's.

    Args:
        run (Run): Of the training.

    Returns:
        str: Python.
    """
    text = redact_text(Config(redact(run.config.to_dict())).pretty_text)
    for folder in {str(run.work_dir.resolve()),
                   str(run.config.get('work_dir') or '')} - {''}:
        text = text.replace(folder, run.name)
    return text.replace(str(Path.home()) + os.sep, '~/')


def command_line(words: List[str]) -> str:
    """Write a command down, paths below this folder or home shortened.

    Args:
        words (list[str]): After ``python -m interclr_plugin report``.

    Returns:
        str: For a shell.
    """
    shorter = [word.replace(os.getcwd() + os.sep, '') for word in words]
    text = ' '.join(['python -m interclr_plugin report'] +
                    [shlex.quote(word) for word in shorter])
    return text.replace(str(Path.home()) + os.sep, '~/')

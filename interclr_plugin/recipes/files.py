"""Which files are written for a folder of images, and what stands in them."""
import os
import shlex
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from mmengine.config import Config

from ..datasets.image_files import MAX_PIXELS, shown
from .classification import classification
from .pretraining import ALGORITHMS, READY, pretraining, recipe_size
from .survey import Survey, hold_out, survey
from .text import commented

PRETRAIN, LINEAR, FINETUNE = 'pretrain.py', 'linear.py', 'finetune.py'
IMAGES, UNUSABLE = 'images.txt', 'unusable.txt'
TRAIN_LIST, TEST_LIST = 'labelled_train.txt', 'labelled_test.txt'
PROGRAM = 'python -m interclr_plugin train'
_ALL = (PRETRAIN, LINEAR, FINETUNE, IMAGES, UNUSABLE, TRAIN_LIST, TEST_LIST)


class Recipe(NamedTuple):
    """What was written.

    Args:
        found (Survey): What the folder holds.
        pretrained (Config): The pre-training.
        written (list[Path]): The files.
    """
    found: Survey
    pretrained: Config
    written: List[Path]


def write_recipe(folder: str,
                 out: str,
                 *,
                 library: str,
                 algorithm: str = 'MoCo',
                 size: Optional[int] = None,
                 epochs: Optional[int] = None,
                 relations: bool = False,
                 small: bool = False,
                 max_pixels: int = MAX_PIXELS,
                 overwrite: bool = False) -> Recipe:
    """Check a folder of images and write configurations that train on it.

    Args:
        folder (str): The images, in folders of any depth.
        out (str): Folder to write to; it is made.
        library (str): ``'mmpretrain'`` or ``'mmselfsup'``.
        algorithm (str): ``'MoCo'``, ``'SimCLR'`` or ``'BYOL'``. Defaults to
            ``'MoCo'``.
        size (int, optional): Edge of the views in pixels, 32, 64, 96 or 224.
            None: the nearest to the images' own.
        epochs (int, optional): None: by the number of images.
        relations (bool): :class:`RelationSampler` in place of pairs. Defaults
            to False.
        small (bool): A network of a quarter of the width, a tenth of the
            cost: to try on a CPU. Defaults to False.
        max_pixels (int): An image with more is not used. Defaults to that of
            Pillow's warning, 89 million.
        overwrite (bool): Replace files of a former call. Defaults to False.

    Returns:
        Recipe: What was found and written.

    Raises:
        ValueError: An argument is outside its range; a file is there
            already; no image can be used.
    """
    for name, value, allowed in (('algorithm', algorithm, ALGORITHMS),
                                 ('size', size, (None, *READY))):
        if value not in allowed:
            raise ValueError(f'--{name} {value} is not offered; allowed: '
                             f'{", ".join(map(str, filter(None, allowed)))}.')
    for name, value in (('epochs', epochs), ('max-pixels', max_pixels)):
        if value is not None and value < 1:
            raise ValueError(f'--{name} {value} must be at least 1.')
    folder, out = os.path.abspath(folder), Path(os.path.abspath(out))
    there = [name for name in _ALL if os.path.lexists(out / name)]
    if there and not overwrite:
        raise ValueError(
            f'{", ".join(there)} in {shown(str(out))} is there already and is '
            'not written over. Name another folder: --out; or allow it: '
            '--overwrite.')
    found = survey(folder, max_pixels)
    size = size or recipe_size(found.edge)
    pretrained = pretraining(
        found,
        library=library,
        algorithm=algorithm,
        size=size,
        epochs=epochs,
        relations=relations,
        small=small)
    pretrained.train_dataloader.dataset = _images(
        pretrained.train_dataloader.dataset, folder, found.prefix,
        out / IMAGES)
    test = pretrained.evaluation.get('test')
    if test:
        test.ann_file = str(out / TEST_LIST)
    texts = {
        IMAGES: _lines(found.names),
        PRETRAIN: commented(
            pretrained, _about_pretraining(out, folder, found, pretrained),
            _comments(found, pretrained))
    }
    if found.faults:
        texts[UNUSABLE] = _lines(
            f'{name}\t{fault}'.replace('\n', '\\n')
            for name, fault in sorted(found.faults.items()))
    if found.classes:
        texts.update(
            _evaluations(out, folder, found, pretrained, library, size))
    # Of a former call, and about other images.
    for name in set(there) - set(texts):
        (out / name).unlink()
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_bytes(text)
    return Recipe(found, pretrained, [out / name for name in texts])


def command(script: Path, run: str, program: str = PROGRAM) -> str:
    """Say how a configuration is started.

    Args:
        script (Path): The configuration.
        run (str): Name of the folder beside it that the run is written to.
        program (str): What trains.

    Returns:
        str: A line for a shell.
    """
    words = str(script), '--work-dir', str(script.parent / run)
    return f'{program} {" ".join(shlex.quote(shown(word)) for word in words)}'


def _evaluations(out: Path, folder: str, found: Survey, pretrained: Config,
                 library: str, size: int) -> Dict[str, bytes]:
    train, test = found.names, found.test_names
    if not found.test_prefix:
        train, test = hold_out(found.names)
    texts = {TRAIN_LIST: _lines(train), TEST_LIST: _lines(test)}
    epochs = pretrained.train_cfg.max_epochs
    checkpoint = str(out / 'run' / f'epoch_{epochs}.pth')
    for kind, name in (('linear', LINEAR), ('finetune', FINETUNE)):
        config = classification(
            kind, pretrained, found, library=library, size=size,
            checkpoint=checkpoint)
        for loader, prefix, names in (
                ('train', found.prefix, TRAIN_LIST),
                ('val', found.test_prefix or found.prefix, TEST_LIST)):
            config[f'{loader}_dataloader'].dataset = _images(
                config[f'{loader}_dataloader'].dataset, folder, prefix,
                out / names)
        config.test_dataloader = config.val_dataloader
        held = (f'the folder {found.test_prefix}' if found.test_prefix else
                'every fifth image of a class, which the pre-training saw')
        texts[name] = commented(config, [
            dict(linear='Linear classification on the frozen backbone',
                 finetune='Classification by the whole network')[kind] +
            f' of {len(found.classes)} classes, the sub-folders.', '',
            f'  {command(out / name, kind)}',
            f'  {command(out / name, kind, _mim(config))} --gpus 1', '',
            f'{len(train):,} images train, {len(test):,} test: {held}.'
        ], dict(
            checkpoint='Of pretrain.py, after its last epoch.',
            **dict(
                linear=dict(lr='Adam, because the scale of the features '
                            'depends on images and epochs.'),
                finetune=dict(lr_mult='The new head learns faster.'))[kind]))
    return texts


def _mim(config: Config) -> str:
    return f'mim train {config.default_scope}'


def _images(dataset: dict, folder: str, prefix: str, names: Path) -> dict:
    dataset = dict(dataset)
    views = dataset.pop('pipeline')
    dataset.update(data_root=folder, data_prefix=prefix, ann_file=str(names))
    return dict(dataset, pipeline=views)


def _lines(names) -> bytes:
    return b''.join(os.fsencode(name) + b'\n' for name in names)


def _about_pretraining(out: Path, folder: str, found: Survey,
                       config: Config) -> List[str]:
    return [
        f'InterCLR on {config.model.algorithm}: {len(found.names):,} images '
        f'of {shown(folder)}.', '',
        f'  {command(out / PRETRAIN, "run")}',
        f'  {command(out / PRETRAIN, "run", _mim(config))} --gpus 1', '',
        '(--gpus 0 is one process on the CPU.) Nothing is inherited: all '
        'settings are here.'
    ]


def _comments(found: Survey, config: Config) -> Dict[str, str]:
    count, model = len(found.names), config.model
    clusters = model.inter_image.num_clusters
    batch = config.train_dataloader.batch_size
    labels = ('The sub-folders, for measuring alone: training never sees '
              'them.' if found.classes else 'There are no class sub-folders.')
    return {
        'num_clusters':
        f'{count:,} images / {clusters} = {count / clusters:.4g} in a '
        'cluster; the released recipe has 128.',
        'min_cluster_size':
        'A cluster with fewer images is dissolved and refilled.',
        'num_negatives':
        'For each image, out of the pool: the share of all images that are '
        'most similar to it.',
        'queue_len':
        f'A multiple of the batch on all devices, at most {count:,}.',
        'batch_size':
        f'On each device; {count // batch} steps an epoch.',
        'lr':
        'In proportion to the batch on all devices: on twice as many, twice '
        'it.',
        'max_epochs':
        'With another number change param_scheduler and linear.py too, or '
        'run init again with --epochs.',
        'warmup_epochs':
        'With the stock loss alone; ten did harm on digits.',
        'ann_file':
        'The images that can be used, one in a line. Their order must stay: '
        'the bank has a row for each.',
        'with_label':
        labels,
        'skip_bad':
        'An image that breaks later is named, and another takes its place.',
        'sampler':
        'Each query is to be as alike to many images as its own averaged '
        'row is: docs/method.md 4.7.'
        if 'type' in model.inter_image.sampler else
        "A positive of the query's cluster, and negatives.",
        'inter_image':
        'The branch: docs/components.md has all of its options.',
        'evaluation':
        'What the command `evaluate` changes in the data set to get the '
        'test set.' if config.evaluation else
        'No test folder was found: linear.py holds images out.'
        if found.classes else 'There are no classes to evaluate with.',
    }

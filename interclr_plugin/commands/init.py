"""What ``init`` takes and prints: a folder of images, files to train with."""
from importlib.util import find_spec
from pathlib import Path
from typing import List

from ..datasets.image_files import MAX_PIXELS, shown
from ..recipes import write_recipe
from ..recipes.files import PRETRAIN, UNUSABLE, Recipe, command
from ..recipes.pretraining import ALGORITHMS, READY
from ..upstream.tools import LIBRARIES
from . import RELATIONS, new_parser

# More are in the file alone.
_MOST_NAMED = 20


def main(words: List[str]) -> None:
    """Write the files and say what was found.

    Args:
        words (list[str]): What stands after the command's name.

    Raises:
        ValueError: No library is installed; or as of ``write_recipe``.
    """
    parser = new_parser('init')
    parser.add_argument('folder', help='images, in folders of any depth')
    parser.add_argument(
        '--out', help='folder to write to (default: FOLDER-interclr, here)')
    parser.add_argument(
        '--library',
        choices=LIBRARIES,
        help='default: the first that is installed')
    parser.add_argument(
        '--algorithm', choices=ALGORITHMS, default='MoCo',
        help='default: MoCo')
    parser.add_argument(
        '--size',
        type=int,
        choices=list(READY),
        help='pixels of a view (default: by the images)')
    parser.add_argument(
        '--epochs', type=int, help='default: by the number of images')
    parser.add_argument('--relations', action='store_true', help=RELATIONS)
    parser.add_argument(
        '--small',
        action='store_true',
        help='a quarter of the width of the network, to try on a CPU')
    parser.add_argument(
        '--max-pixels',
        type=int,
        default=MAX_PIXELS,
        help=f'an image with more is not used (default: {MAX_PIXELS:,})')
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='write over the files of a former call')
    options = vars(parser.parse_args(words))
    options['out'] = options['out'] or (
        Path(options['folder']).resolve().name + '-interclr')
    if options['library'] is None:
        installed = list(filter(find_spec, LIBRARIES))
        if not installed:
            raise ValueError(f'none of {", ".join(LIBRARIES)} is installed; '
                             'docs/install.md has the lines.')
        options['library'] = installed[0]
    recipe = write_recipe(**options)
    print(_report(recipe))


def _report(recipe: Recipe) -> str:
    found, config = recipe.found, recipe.pretrained
    out = recipe.written[0].parent
    lines = [
        f'{len(found.names):,} images to train on, shorter edge {found.edge} '
        f'pixels (median), {len(found.classes) or "no"} class folders.'
    ]
    if found.test_prefix:
        lines.append(f'{len(found.test_names):,} test images.')
    if found.others:
        kinds = ', '.join(f'{shown(kind)} {count:,}'
                          for kind, count in found.others.most_common(5))
        lines.append(f'{sum(found.others.values()):,} files with another '
                     f'extension are passed over: {kinds}')
    if found.faults:
        lines.append(f'{len(found.faults):,} cannot be used, listed in '
                     f'{shown(str(out / UNUSABLE))}:')
        named = sorted(found.faults.items())
        lines += [f'  {shown(name)}: {fault}'
                  for name, fault in named[:_MOST_NAMED]]
        if len(named) > _MOST_NAMED:
            lines.append(f'  and {len(named) - _MOST_NAMED:,} more')
    branch = config.model.inter_image
    sizes = dict(
        epochs=config.train_cfg.max_epochs,
        batch=config.train_dataloader.batch_size,
        lr=config.optim_wrapper.optimizer.lr,
        queue_len=config.model.get('queue_len'),
        clusters=branch.num_clusters,
        negatives=branch.sampler.get('num_negatives'))
    lines.append('Proposed: ' + ', '.join(
        f'{name} {value:,g}' for name, value in sizes.items() if value))
    lines.append('Written: ' + ', '.join(
        shown(str(path)) for path in recipe.written))
    lines.append(f'Next: {command(out / PRETRAIN, "run")}')
    return '\n'.join(lines)

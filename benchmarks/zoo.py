"""Write the page of the model zoo from finished studies.

    python benchmarks/zoo.py digits moco simclr --work-dir work_dirs/studies

``study.py`` makes what is read. Each row is an arm of a study in a library;
the log of its first seed goes to ``docs/model_zoo/``.
"""
import argparse
import shlex
import shutil
import tempfile
from pathlib import Path

from studies import STUDIES
from study import CONFIGS, LIBRARIES, MEASURES, finished, mean, result_path

from interclr_plugin.checkpoints import publish

DOCS = CONFIGS.parent / 'docs'
COLUMNS = ['configuration and changes', *MEASURES.values(), 'log',
           'seed and checkpoint']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('studies', nargs='+', choices=sorted(STUDIES))
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/studies'))
    options = parser.parse_args()
    page = DOCS / 'model_zoo.md'
    ahead = page.read_text().partition('\n## Study')[0].rstrip()
    parts = [study_part(name, options.work_dir) for name in options.studies]
    page.write_text('\n\n'.join([ahead, *parts]) + '\n')


def study_part(name: str, work_dir: Path) -> str:
    """Write a study's table: arms of two seeds or more, two arms or more."""
    cells = finished(name, work_dir)
    found = {}
    for library in LIBRARIES:
        arms = {
            arm: [
                cell for cell in cells
                if (cell['library'], cell['arm']) == (library, arm)
            ]
            for arm in STUDIES[name]
        }
        arms = {arm: mine for arm, mine in arms.items() if len(mine) > 1}
        if len(arms) > 1:
            found[library] = arms
    every = sorted({arm for arms in found.values() for arm in arms},
                   key=list(STUDIES[name]).index)
    # Libraries that were run with the same seeds share a command.
    same_seeds = {}
    for library, arms in found.items():
        seeds = sorted({cell['seed'] for mine in arms.values()
                        for cell in mine})
        same_seeds.setdefault(tuple(seeds), []).append(library)
    commands = []
    for seeds, libraries in same_seeds.items():
        command = f'python benchmarks/study.py {name} --seeds ' + ' '.join(
            map(str, seeds))
        if len(libraries) < len(LIBRARIES):
            command += ' --libraries ' + ' '.join(libraries)
        if len(every) < len(STUDIES[name]):
            command += ' --arms ' + ' '.join(map(shlex.quote, every))
        commands.append(command)
    lines = [
        f'## Study `{name}`', '', '```bash', *commands, '```', '',
        '| ' + ' | '.join(COLUMNS) + ' |', '| --- ' * len(COLUMNS) + '|'
    ]
    for library, arms in found.items():
        for arm, mine in arms.items():
            lines.append(row(name, library, arm, mine))
    return '\n'.join(lines)


def row(study: str, library: str, arm: str, cells: list) -> str:
    config, changes = STUDIES[study][arm]
    cells = sorted(cells, key=lambda cell: cell['seed'])
    log = DOCS / 'model_zoo' / f'{library}-{study}-{arm}.json'.replace(
        ' ', '_')
    log.parent.mkdir(exist_ok=True)
    folders = [result_path(cell).parent for cell in cells]
    newest = max(folders[0].glob('*/vis_data/scalars.json'))
    shutil.copyfile(newest, log)
    values = [
        f'`configs/{library}/{config}`' + ''.join(
            f' `{key}={value if len(str(value)) < 50 else "..."}`'
            for key, value in changes.items()),
        *(mean([cell[measure] for cell in cells]) for measure in MEASURES),
        f'[seed {cells[0]["seed"]}](model_zoo/{log.name})',
        ', '.join(f'{cell["seed"]} `{digest(folder)}`'
                  for cell, folder in zip(cells, folders))
    ]
    return '| ' + ' | '.join(values) + ' |'


def digest(folder: Path) -> str:
    """Hash a cell's checkpoint, as the command publishes it."""
    checkpoint, = folder.glob('epoch_*.pth')
    with tempfile.TemporaryDirectory() as place:
        # The name is a part of the file.
        return publish(str(checkpoint), f'{place}/published.pth')[:8]


if __name__ == '__main__':
    main()

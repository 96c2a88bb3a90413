"""The pages' commands, run one after the other as a reader would.

Every line of bash and every program of a page runs in the page's own order,
in a folder with a little data in the place of ImageNet, Pascal VOC and the
reader's images. What is changed in a line stands below; what is not run, too.
"""
import os
import re
import subprocess
import sys

import pytest
import torch
import torchvision
from doc_pages import DOCS, PAGES, ROOT, blocks
from image_files import train_one_step, write_imagenet, write_images
from mmengine.config import Config

from interclr_plugin.checkpoints import publish

pytestmark = [pytest.mark.slow, pytest.mark.matrix]

# Lines that are not run here, and why.
LEFT_OUT = {
    r'make (demo|test)\b': 'run in a fresh clone; tests/test_demo.py',
    r"pip install '\.\[": '.ci/run',
    r'PIP_EXTRA_INDEX_URL=': 'an index that CI does not reach',
    r'pip install --force-reinstall': 'needs a machine without display',
    r'python benchmarks/(study|zoo|probe_penalties).py': 'tests/test_study.py',
    r'python docs/tutorial.py': 'tests/test_docs_examples.py',
}
# One process on the CPU for a launcher, which needs CUDA.
CHANGED = {
    r'--launcher pytorch --gpus \d+': '--gpus 0',
    r'--gpus 1\b': '--gpus 0',
    r'torchrun .*? (\$TOOLS/train.py .*) --launcher pytorch':
    r'torchrun --nproc-per-node 1 \1 --launcher none',
    r'epoch_(10|50|200)\.pth': 'epoch_1.pth',
    r'interclr_plugin init photos':
    'interclr_plugin init photos --small --epochs 1',
    r'--pairs 8': '--pairs 1',
    r'\bbenchmarks/monitors.py': f'{ROOT}/benchmarks/monitors.py',
    r'--baseline work_dirs/moco': '--baseline work_dirs/mine',
    # The page's one file is digits' ResNet-18 and ImageNet's ResNet-50.
    r'(convert old.pth |resnet50_.*)published.pth': r'\1published50.pth',
}
_TINY = ' '.join(f'{loader}_dataloader.{name}={value}'
                 for loader in ('train', 'val')
                 for name, value in (('batch_size', 8), ('num_workers', 0),
                                     ('persistent_workers', False)))
_ONE_EPOCH = 'train_cfg.max_epochs=1 default_hooks.checkpoint.interval=1'
_BRANCH = ('train_dataloader.batch_size=8 train_dataloader.num_workers=0 '
           'train_dataloader.persistent_workers=False model.queue_len=16 '
           'model.inter_image.num_clusters=2')
# Options that shorten a training, by what its line names.
SHORTENED = {
    r'interclr-moco_resnet18_1xb64-coslr-50e_digits':
    'train_dataloader.dataset.indices=128 '
    'model.inter_image.sampler.num_negatives=16',
    r'resnet18_(linear|finetune)-1xb64':
    'train_dataloader.dataset.indices=150',
    r'interclr-moco_resnet50_|my_config\.py': _BRANCH,
    r'resnet50_(linear|8xb32-linear|mhead|head1)': _TINY,
}


def script(page):
    """Give a page's lines as one program of bash."""
    lines = []
    for language, block in re.findall(
            r'^```(bash|python)\n(.*?)^```', page.read_text(),
            re.DOTALL | re.MULTILINE):
        if language == 'bash':
            for line in block.replace('\\\n', ' ').splitlines():
                lines.append(changed(line))
        elif re.match(r'# \w+\.py\n', block):
            name = block.split('\n')[0][2:]
            lines.append(f"cat > {name} <<'END'\n{block}END")
            if not re.search(r'^_base_ = ', block, re.MULTILINE):
                lines.append(f'python {name}')
        elif block.startswith('import '):
            lines.append(f"python - <<'END'\n{block}END")
    return '\n'.join(lines)


def changed(line):
    line = re.sub(r' +', ' ', line)
    for pattern in LEFT_OUT:
        if re.match(pattern, line.strip()):
            return ''
    for pattern, instead in CHANGED.items():
        line = re.sub(pattern, instead, line)
    if re.search(r'\b(mim train|train\.py)\b', line):
        found = [options for pattern, options in SHORTENED.items()
                 if re.search(pattern, line)]
        assert len(found) == 1, line
        more = f'{_ONE_EPOCH} {found[0]}'
        line += f' {more}' if '--cfg-options' in line else (
            f' --cfg-options {more}')
    return line


def test_what_is_left_out_is_there():
    """Without it a reason could outlive its line."""
    text = '\n'.join(page.read_text().replace('\\\n', ' ')
                     for page in [ROOT / 'README.md', *PAGES])
    text = re.sub(r' +', ' ', text)
    for pattern in [*LEFT_OUT, *CHANGED]:
        assert re.search(pattern, text, re.MULTILINE), pattern


def old_weights(folder):
    """A MoCo checkpoint of mmselfsup 0.x, and its backbone published."""
    backbone = torchvision.models.resnet50().state_dict()
    weights = {
        f'backbone.{name}': value
        for name, value in backbone.items() if not name.startswith('fc.')
    }
    torch.save(dict(state_dict=weights), folder / 'whole.pth')
    publish(
        str(folder / 'whole.pth'), str(folder / 'backbone.pth'), backbone=True)
    for name, size in (('0.weight', (2048, 2048)), ('0.bias', (2048, )),
                       ('2.weight', (128, 2048)), ('2.bias', (128, ))):
        weights[f'neck.mlp.{name}'] = torch.rand(size)
    old = dict(queue=torch.rand(128, 65536), queue_ptr=torch.tensor([0]))
    for name, value in weights.items():
        part, _, rest = name.partition('.')
        for letter in 'qk':
            number = ('backbone', 'neck').index(part)
            old[f'encoder_{letter}.{number}.{rest}'] = value
        old[name] = value
    torch.save(dict(meta={}, state_dict=old), folder / 'old.pth')


@pytest.fixture
def place(tmp_path):
    """A reader's folder: a clone's configurations, data, old weights."""
    for name in ('configs', 'docs'):
        (tmp_path / name).symlink_to(ROOT / name)
    data = tmp_path / 'data'
    write_imagenet(data / 'imagenet')
    for kind in range(4):
        write_images(data / f'mine/images/{kind:02}', 500, 32, kind)
        for split in ('train', 'test'):
            write_images(data / f'labelled/{split}/{kind}', 15, 32, kind)
    (tmp_path / 'photos').symlink_to(data / 'mine/images')
    mine = blocks((ROOT / 'README.md').read_text(), 'python')[0]
    tests = dict(ann_file='meta/val.txt', data_prefix=dict(img_path='val/'))
    (tmp_path / 'my_config.py').write_text(
        f'{mine}\nevaluation = dict(test={tests})\n')
    old_weights(tmp_path)
    # In the place of Slurm's: its own options are left out, one process runs.
    (tmp_path / 'bin').mkdir()
    srun = tmp_path / 'bin/srun'
    srun.write_text('#!/bin/bash\n'
                    'while [[ $1 == -* || $1 == NAME ]]; do shift; done\n'
                    'exec "${@/#slurm/none}"\n')
    srun.chmod(0o755)
    return tmp_path


STOCK = ("_base_ = 'mmselfsup::selfsup/mocov2/"
         "mocov2_resnet50_8xb32-coslr-200e_in1k.py'\n")


@pytest.mark.parametrize('page, said, ahead', [
    ('components', "sampler=dict(strategy='semi-hard')", STOCK),
    ('index', '_base_ =', ''),
    ('migration', '_base_ =', ''),
    ('monitors', '*_base_.monitors', ''),
    ('your_own_images', "type='ConcatDataset'", None),
])
def test_a_page_s_configuration_trains(page, said, ahead, place, monkeypatch):
    """Without it lines to be copied could load, and fail in a training.

    What extending.md has is trained by tests/test_docs_examples.py.
    """
    monkeypatch.chdir(place)
    mine, _ = (place / 'my_config.py').read_text().split('custom_hooks = ')
    (place / 'my_base.py').write_text(mine)
    every = blocks((DOCS / f'{page}.md').read_text(), 'python')
    block, = (block for block in every if said in block)
    if ahead is None:  # a change of the page's first configuration
        ahead = every[0].replace('mmpretrain', 'mmselfsup')
    (place / 'page.py').write_text(ahead + block)
    train_one_step(Config.fromfile('page.py'), place)


@pytest.mark.parametrize(
    'page', [
        page for page in (ROOT / 'README.md', *PAGES) if script(page).strip()
    ],
    ids=lambda page: page.stem)
def test_a_page_s_commands_run(page, place):
    """Without it a command could fail for the first who copies it."""
    text = script(page)
    if page.stem == 'results':  # which goes on from there
        text = script(DOCS / 'your_own_images.md') + '\n' + text
    run = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', text],
        cwd=place,
        env=dict(
            os.environ,
            PYTHONPATH=str(ROOT),
            PYTHONWARNINGS='ignore',
            PATH=os.pathsep.join([
                str(place / 'bin'),
                os.path.dirname(sys.executable), os.environ['PATH']
            ])),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True)
    assert run.returncode == 0, text + run.stdout[-6000:]

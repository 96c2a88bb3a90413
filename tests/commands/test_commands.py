"""The one door: what each command takes and prints, and how errors end."""
import json
import re
import subprocess
import sys

import pytest
import torch
from doc_pages import ROOT
from fresh_process import run_python
from libraries import FIRST
from mmengine.model import BaseModule
from mmengine.registry import DATASETS, MODELS
from small_run import small_config
from stock_moco import moco, trained

from interclr_plugin.__main__ import main
from interclr_plugin.commands import COMMANDS
from interclr_plugin.evaluation import evaluate
from interclr_plugin.inter_image import propose
from interclr_plugin.settings import nearest
from interclr_plugin.user_errors import said_to_the_user

MODELS.register_module(module=BaseModule, force=True)


def test_every_command_has_a_line_and_a_module(capsys):
    """Without it a command could be there and nobody be told, or be told
    and not be there."""
    main(['--help'])
    said = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert f'{name:<12}{line}' in said
        with pytest.raises(SystemExit) as left:
            main([name, '--help'])
        assert left.value.code == 0
        # The two of the libraries are called by the names of their files.
        stock = f'{name}.py' if name in ('train', 'test') else name
        assert re.search(rf'usage: .*\b{stock} ', capsys.readouterr().out)


def test_mim_can_run_every_command():
    """Without it `mim run interclr_plugin COMMAND` would know some alone."""
    tools = (ROOT / 'interclr_plugin/.mim/tools').glob('*.py')
    assert sorted(tool.stem for tool in tools) == sorted(COMMANDS)


def test_a_mistake_ends_a_training_in_a_sentence(tmp_path, monkeypatch,
                                                 capsys):
    """Without it a slip in a configuration ends `train` in the traceback of
    three packages; a fault of some code needs its own."""
    monkeypatch.setattr(sys, 'argv', ['train'])
    config = small_config(FIRST, tmp_path)
    config.model.inter_image.num_cluster = 3
    config.dump(str(tmp_path / 'mine.py'))
    with pytest.raises(SystemExit, match="^error: .* no setting 'num_clust"):
        main(['train', str(tmp_path / 'mine.py')])
    assert 'Traceback' not in capsys.readouterr().err
    config = small_config(FIRST, tmp_path)
    config.train_dataloader.dataset.type = 'Broken'
    config.dump(str(tmp_path / 'mine.py'))
    with pytest.raises(SystemExit) as left:
        main(['train', str(tmp_path / 'mine.py')])
    assert left.value.code == 1
    assert 'ZeroDivisionError' in capsys.readouterr().err


@DATASETS.register_module()
def Broken(**settings):
    return 1 / 0


def said_of(action):
    try:
        action()
    except Exception as error:
        return said_to_the_user(error)


def test_which_errors_are_said_and_which_are_shown(tmp_path):
    """Without it a fault of some code could end in a word without a place,
    or a user's slip in a page of code."""
    assert said_of(lambda: MODELS.build(dict(type='Nobody'))).startswith(
        'Nobody is not in the ')
    assert 'no setting' in said_of(
        lambda: MODELS.build(dict(type='MarginNCELoss', tau=1)))
    assert "argument 'a'" in said_of(
        lambda: MODELS.build(dict(type='BaseModule', a=1)))
    assert str(tmp_path) in said_of(lambda: open(tmp_path / 'nothing'))
    # Not by a statement of anybody's, and not to a user.
    assert said_of(lambda: {}['a']) is None
    assert said_of(lambda: next(iter([]))) is None
    assert said_of(lambda: torch.zeros(2) @ torch.zeros(3)) is None
    assert said_of(lambda: nearest('a', None)) is None


def test_the_list_imports_no_command(tmp_path):
    """Without it `--help` would wait for packages that one command needs."""
    run_python(
        """
from interclr_plugin.__main__ import main
main(['--help'])
from interclr_plugin.commands import COMMANDS
loaded = {f'interclr_plugin.commands.{name}' for name in COMMANDS}
assert not loaded & set(sys.modules), loaded & set(sys.modules)
assert 'interclr_plugin.report' not in sys.modules
""",
        tmp_path,
    )


@pytest.mark.parametrize('words', [[], ['evaluation', 'a.py'],
                                   ['publish'], ['propose', 'many']])
def test_a_wrong_line_ends_with_code_2(words, capsys):
    """Without it a script could go on after a slip in its command."""
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert 'error: ' in capsys.readouterr().err


CONFIG = """
default_scope = 'mmpretrain'
model = dict(backbone=dict(type='Nothing'))
train_dataloader = dict(dataset=dict(type='Digits', pipeline=[]))
evaluation = dict(test=dict(split='test'))
"""


@pytest.mark.parametrize('text, said', [
    (None, '.*config.py'),
    ('model = dict(', '.*config.py: .*(never closed|unexpected EOF)'),
    (CONFIG, 'Nothing is not in the .* registry'),
    ("custom_imports = dict(imports=['nobody_s_package'])",
     '.*nobody_s_package'),
    ("_base_ = 'nobody::a/b.py'", '.*config.py: .*to load nobody config'),
    ("default_scope = 'mmpretrain'", '.*has no model and no train_dataloader'),
])
def test_a_bad_configuration_ends_in_a_sentence(text, said, tmp_path):
    """Without it a slip in a configuration could end in a traceback."""
    path = tmp_path / 'config.py'
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match=f'^error: {said}'):
        main(['evaluate', str(path)])


def test_command_line_gives_the_same_numbers(tmp_path):
    """Without it the table of a user could differ from that of the tests."""
    scope = FIRST
    _, checkpoint = trained(scope, tmp_path / 'x.pth')
    config = moco(scope)
    config.custom_imports = dict(
        imports=['interclr_plugin'], allow_failed_imports=False)
    config.dump(str(tmp_path / 'config.py'))
    out = tmp_path / 'result.json'
    command = [
        sys.executable, '-m', 'interclr_plugin', 'evaluate',
        str(tmp_path / 'config.py'), checkpoint, '--out',
        str(out), '--device', 'cpu', '--test-options', 'split=test',
        'indices=50', '--cfg-options',
        'train_dataloader.dataset.indices=200'
    ]
    printed = subprocess.run(
        command,
        check=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True).stdout
    config.train_dataloader.dataset.indices = 200
    expected = evaluate(
        config,
        checkpoint,
        device='cpu',
        test_options=dict(split='test', indices=50))
    assert json.loads(out.read_text()) == expected
    assert expected['num_train'] == 200 and expected['num_test'] == 50
    table = dict(line.rsplit(None, 1) for line in printed.splitlines())
    assert float(table['kNN top-1']) == round(expected['knn'], 4)
    assert float(table['linear top-1']) == round(expected['linear'], 4)


def test_the_printed_lines_are_python(capsys):
    """Without it the lines could not be copied into a configuration."""
    main(['propose', '50000', '--feat-dim', '64'])
    printed = capsys.readouterr().out
    assert '12.8 MB at width 64' in printed
    found = eval(f'dict({printed})')
    assert found == dict(inter_image=propose(50000))
    main(['propose', '50000', '--relations'])
    found = eval(f'dict({capsys.readouterr().out})')
    assert found == dict(
        intra_weight=1., inter_weight=.5,
        inter_image=propose(50000, relations=True))


@pytest.mark.parametrize('arguments, said', [
    (['3'], 'num_images=3'),
    (['50', '--feat-dim', '0'], 'feat_dim=0'),
])
def test_too_small_numbers_are_named(arguments, said):
    """Without it the branch's own error would name other settings."""
    with pytest.raises(SystemExit, match=said):
        main(['propose', *arguments])

"""A report on a stranger's run: nothing is run, overwritten or given away."""
import base64
import hashlib
import os
import re
import shutil

import pytest
from libraries import FIRST
from mmengine.config import Config
from mmengine.registry import DATASETS
from report_page import Page
from small_run import CONFIGS, runner_of, small_config

from interclr_plugin.__main__ import main
from interclr_plugin.datasets import Digits
from interclr_plugin.report import write_report
from interclr_plugin.report.labels import read_labels
from interclr_plugin.report.redaction import HIDDEN, redact, redact_text
from interclr_plugin.results.plain_config import read_plain_config
from interclr_plugin.results.run import Run

HOSTILE = ('</style><script>alert(1)</script>', '"><img src=x onerror=f()>',
           "$a^{'&amp;", '\u202e{{ 7*7 }}')
PASSWORD = 'hunter2-hunter2'


@DATASETS.register_module()
class HostileDigits(Digits):
    """Digits in files whose names were chosen to do harm."""

    def load_data_list(self):
        return [
            dict(
                img=entry['img'],
                img_shape=(32, 32),
                img_path=f'/data/{HOSTILE[entry["gt_label"] % 4]}/{i}<b>".png')
            for i, entry in enumerate(super().load_data_list())
        ]


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A small run on such files, with secrets in its configuration."""
    folder = tmp_path_factory.mktemp('hostile') / '<i>run'
    config = small_config(
        FIRST,
        folder,
        train_dataloader__dataset__type='HostileDigits')
    config.notes = dict(
        api_key=PASSWORD, home=f'https://me:{PASSWORD}@example.org/x')
    runner_of(config).train()
    return folder


@pytest.mark.slow
def test_hostile_names_and_secrets(run):
    """Without it a file's name could run a script in the reader's browser,
    and a page that is handed on would give passwords away."""
    path = write_report(
        str(run), labels='folders', command=f'report --wandb-key={PASSWORD}')
    page, source = Page(path), path.read_text()
    assert 'Left out' not in page.text
    kinds = {name for name, _ in page.tags}
    assert not kinds & {'script', 'b>', 'i', 'iframe', 'object', 'base'}
    for _, attributes in page.tags:
        assert not any(each.startswith('on') for each in attributes)
        assert 'style' not in attributes
        for key in ('src', 'href'):
            assert attributes.get(key, '#').startswith(('#', 'data:'))
    # They are shown as they are.
    assert HOSTILE[0] in page.text and HOSTILE[2] in page.text
    assert '7*7' in page.text
    titles = [each.get('title', '') for each in page.all('img')]
    assert any(HOSTILE[1] in title for title in titles)
    # Labels of the folders were measured with.
    assert 'with the initial weights' in page.text
    assert '32 test images' in page.text
    assert PASSWORD not in source and source.count(HIDDEN) >= 3
    # Only this style, and nothing else, may act.
    policy = next(each['content'] for each in page.all('meta')
                  if each.get('http-equiv') == 'Content-Security-Policy')
    style = re.search('<style>(.*?)</style>', source, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest())
    assert f"style-src 'sha256-{digest.decode()}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


@pytest.mark.slow
def test_the_page_is_whole_or_absent(run, tmp_path, monkeypatch):
    """Without it a link could lead the report over another file, and a full
    disk could leave half a page in the place of a whole one."""
    precious = tmp_path / 'precious'
    precious.write_text('<meta name="generator" '
                        'content="interclr_plugin.report">')
    link = tmp_path / 'report.html'
    link.symlink_to(precious)
    with pytest.raises(FileExistsError, match='symbolic link'):
        write_report(str(run), str(link), knn=False)
    # The name that a draft once had is a trap too.
    link.unlink()
    victim = tmp_path / 'victim'
    victim.write_text('kept')
    (tmp_path / 'report.html.tmp').symlink_to(victim)
    link.write_text(precious.read_text())
    monkeypatch.setattr(
        'interclr_plugin.report.content.Content.gather',
        lambda self, knn: {})
    monkeypatch.setattr('interclr_plugin.report.page._render',
                        lambda content: 'new page')
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr('os.replace', _fail)
    with pytest.raises(OSError, match='disk is full'):
        write_report(str(run), str(link))
    assert sorted(os.listdir(tmp_path)) == before
    assert link.read_text() == precious.read_text()
    monkeypatch.undo()
    monkeypatch.setattr(
        'interclr_plugin.report.content.Content.gather',
        lambda self, knn: {})
    monkeypatch.setattr('interclr_plugin.report.page._render',
                        lambda content: 'new page')
    assert write_report(str(run), str(link)).read_text() == 'new page'
    assert sorted(os.listdir(tmp_path)) == before
    assert victim.read_text() == 'kept'
    assert link.stat().st_mode & 0o777 == victim.stat().st_mode & 0o777


@pytest.mark.slow
def test_nothing_of_the_folder_is_run(run, tmp_path):
    """Without it a run from elsewhere could run any code."""
    folder = tmp_path / 'run'
    shutil.copytree(run, folder)
    evil = folder / 'zzz.py'
    flag = tmp_path / 'flag'
    evil.write_text(f'open({str(flag)!r}, "w").close()\n' +
                    next(folder.glob('interclr*.py')).read_text())
    newest = max(each.stat().st_mtime for each in folder.iterdir()) + 9
    os.utime(evil, (newest, newest))
    found = Run(str(folder))
    assert found.config_path.name != 'zzz.py' and not flag.exists()
    assert found.config.model.type == 'InterCLR'
    for path in folder.glob('interclr*.py'):
        path.unlink()
    with pytest.raises(SystemExit, match='zzz.py could run code: line 1'):
        main(['report', str(folder)])
    assert not flag.exists()
    assert Run(str(folder), trust=True).config.model.type == 'InterCLR'
    assert flag.exists()


@pytest.mark.parametrize('library', ['mmselfsup', 'mmpretrain'])
def test_a_configuration_is_the_same_as_data(library, tmp_path):
    """Without it honest runs could be refused, or read otherwise."""
    for path in sorted((CONFIGS / library).glob('*.py'))[::5]:
        config = Config.fromfile(path)
        config.dump(str(tmp_path / 'config.py'))
        read = read_plain_config(str(tmp_path / 'config.py'))
        assert read.to_dict() == config.to_dict()


@pytest.mark.parametrize('text, reason', [
    ('import os', 'line 1 is no `name = value`'),
    ('a = 1\nb = open("x")', 'line 2 calls a function'),
    ('a = dict.fromkeys("ab")', 'line 1 calls a function'),
    ('a = [x for x in "ab"]', 'malformed'),
    ('a = __import__', 'malformed'),
    ("model = dict(type='os.system', command='true')", "type='os.system'"),
    ("a = [dict(b=dict(type='subprocess.Popen'))]", 'subprocess.Popen'),
    ("a = dict(type='mmengine.utils.misc.import_module')", 'import_module'),
    ("a = dict(type='mmengine.load', file='x.pkl')", 'mmengine.load'),
    ("custom_imports = dict(imports=['evil'])", 'names evil'),
    ("a = dict(ann_file='x.pkl')", 'is a pickle'),
    ("a = dict(question_file=['x.yaml'])", 'is a pickle or YAML'),
    ("a = dict(split_file='refs(unc).p')", 'is a pickle'),
    ('a = (', 'could run code'),
])
def test_what_could_run_code_is_refused(text, reason, tmp_path):
    """Without it one of the many ways to run code would be open."""
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_plain_config(str(path))


def test_classes_of_the_libraries_are_allowed(tmp_path):
    """Without it configurations of the new style would be refused."""
    path = tmp_path / 'config.py'
    path.write_text("a = dict(type='torch.optim.SGD')\n"
                    "b = dict(type='mmengine.runner.EpochBasedTrainLoop')\n"
                    "c = dict(type='mmcls.Accuracy', x=-1, y={'k/l': (1, )})")
    assert read_plain_config(str(path)).c == dict(
        type='mmcls.Accuracy', x=-1, y={'k/l': (1, )})


@pytest.mark.parametrize('text', [
    's3://AKIAABCDEFGHIJKLMNOP:x@bucket',
    f'mysql://root:{PASSWORD}@host/db',
    f'https://host/x?user=me&X-Amz-Signature={PASSWORD}&y=1',
    f'--password={PASSWORD}',
    'hf_' + 'aB3' * 11,
    'ghp_' + 'aB3' * 12,
    'sk-' + 'aB3' * 12,
    'xoxb-123456789012-aB3aB3',
    'AIza' + 'aB3dE' * 7,
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl',
    '0123456789abcdef' * 2 + '01234567',
])
def test_secrets_are_known_by_their_shape(text):
    """Without it a key under an innocent name would be handed on."""
    hidden = redact_text(f'a {text} z')
    assert HIDDEN in hidden and PASSWORD not in hidden
    assert hidden.startswith('a ') and hidden.endswith(' z')
    for secret in re.findall(r'[\w.-]{20,}', text):
        assert secret not in hidden
    assert redact({'note': [text]})['note'][0] == redact_text(text)


def test_secrets_are_known_by_their_key():
    """Without it a short password would stand in the page; and a class token
    would not."""
    config = dict(
        api_key='abc',
        wandb=dict(apiKey='abc', project='p'),
        authToken='abc',
        db=dict(password=123, user='me'),
        credentials=dict(id='abc', more=['abc']),
        with_cls_token=True,
        num_tokens=12,
        algorithm_keys=['sample_idx'],
        out_type='cls_token')
    assert redact(config) == dict(
        api_key=HIDDEN,
        wandb=dict(apiKey=HIDDEN, project='p'),
        authToken=HIDDEN,
        db=dict(password=HIDDEN, user='me'),
        credentials=dict(id=HIDDEN, more=[HIDDEN]),
        with_cls_token=True,
        num_tokens=12,
        algorithm_keys=['sample_idx'],
        out_type='cls_token')
    assert config['api_key'] == 'abc'


def test_labels_of_folders_and_of_a_file(tmp_path):
    """Without it images could get the classes of others."""
    files = ['data/a/1.png', 'data/b/1.png', 'data/b/2.png']
    labels = read_labels('folders', files)
    assert labels.names == ['a', 'b'] and labels.numbers.tolist() == [0, 1, 1]
    table = tmp_path / 'labels.csv'
    table.write_text('file,class\n./b/1.png,"x, y"\na/1.png,z\n2.png,z\n')
    labels = read_labels(str(table), files)
    assert labels.names == ['x, y', 'z']
    assert labels.numbers.tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match='1 of 4 images, .*9.png'):
        read_labels(str(table), [*files, 'data/b/9.png'])
    with pytest.raises(ValueError, match="all images the class 'a'"):
        read_labels('folders', files[:1])
    with pytest.raises(FileNotFoundError):
        read_labels(str(tmp_path / 'none.csv'), files)


def _fail(*args):
    raise OSError('the disk is full')



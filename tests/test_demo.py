"""The demo as a user runs it: stopped, gone on with, and repeated."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interclr_plugin.checkpoints import load_state_dict
from interclr_plugin.evaluation import evaluate
from interclr_plugin.report import cluster_sizes, read_scalars

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 2
CONFIG = ('configs/mmselfsup/'
          'interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py')


def start(work_dir, *options, **environment):
    """Start the demo; ``communicate()`` gives what it prints."""
    path = os.pathsep.join(
        [str(ROOT)] + os.environ.get('PYTHONPATH', '').split(os.pathsep))
    return subprocess.Popen(
        [sys.executable, 'demo/run.py', '--work-dir', str(work_dir), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background has children ignore
        # Ctrl-C, and this child's children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=dict(
            os.environ, PYTHONPATH=path.rstrip(os.pathsep), **environment))


def wait_for(condition, what, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'no {what} in {seconds} s'
        time.sleep(0.05)


def processes(work_dir):
    """Command lines that name the folder: those of its trainings."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            found.append(entry.read_bytes().replace(b'\0', b' ').decode())
        except OSError:
            pass  # it has just ended
    return [line for line in found if str(work_dir) in line]


@pytest.fixture(scope='module')
def stopped_and_finished(tmp_path_factory):
    """A demo that was stopped during its first training, then repeated."""
    work_dir = tmp_path_factory.mktemp('demo')
    record = work_dir / 'moco' / 'last_checkpoint'
    # As on a new machine: both trainings want a folder in it at once.
    home = tmp_path_factory.mktemp('home')
    demo = start(work_dir, '--epochs', str(EPOCHS), HOME=str(home))
    wait_for(
        lambda: record.exists() and 'epoch_1' in record.read_text(),
        'checkpoint of the first epoch')
    demo.send_signal(signal.SIGINT)
    first = demo.communicate(timeout=60)[0]
    assert demo.returncode == 130, first
    wait_for(lambda: not processes(work_dir), 'end of the training', 30)
    assert not (work_dir / 'moco' / f'epoch_{EPOCHS}.pth').exists()
    assert (home / '.cache/mim').is_dir()
    demo = start(work_dir, '--epochs', str(EPOCHS))
    second = demo.communicate(timeout=600)[0]
    assert demo.returncode == 0, second
    return work_dir, first, second


def test_two_trainings_start_in_an_empty_home(tmp_path, monkeypatch):
    """Without it the first command on a new machine would fail: mim makes
    this folder with a check first. The fixture below starts two."""
    monkeypatch.syspath_prepend(str(ROOT / 'demo'))
    from training import home_for_mim
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    assert home_for_mim(tmp_path) == dict(HOME=str(tmp_path / 'home'))
    assert (tmp_path / 'home/.cache/mim').is_dir()
    # Nothing can be made there, also by root.
    monkeypatch.setenv('HOME', '/proc/version')
    home = Path(home_for_mim(tmp_path / 'run')['HOME'])
    assert (home / '.cache/mim').is_dir() and tmp_path in home.parents


def test_interrupt_says_how_to_go_on(stopped_and_finished):
    """Without it Ctrl-C could end in a traceback, or lose the work."""
    _, first, _ = stopped_and_finished
    assert 'MoCo v2: starting' in first  # lines of progress
    assert 'InterCLR: starting' in first
    assert 'same command again' in first
    assert 'Traceback' not in first


def test_the_second_run_resumes_the_first(stopped_and_finished):
    """Without it an interrupted training could start from epoch 1."""
    work_dir, _, _ = stopped_and_finished
    log = (work_dir / 'moco' / 'output.log').read_text()
    assert log.count('resumed epoch: 1') == 1
    # Both run at a time, so both were stopped.
    for name in ('moco', 'interclr'):
        assert len(list((work_dir / name).glob('*/vis_data'))) == 2


def test_results_are_those_of_the_checkpoints(stopped_and_finished):
    """Without it the printed table could show other numbers."""
    work_dir, _, second = stopped_and_finished
    results = json.loads((work_dir / 'results.json').read_text())
    assert results['epochs'] == EPOCHS and results['scope'] == 'mmselfsup'
    rows = {row['name']: row for row in results['results']}
    assert list(rows) == ['random initial weights', 'MoCo v2', 'InterCLR']
    checkpoint = work_dir / 'interclr' / f'epoch_{EPOCHS}.pth'
    expected = evaluate(str(ROOT / CONFIG), str(checkpoint))
    assert rows['InterCLR']['knn'] == expected['knn']
    assert rows['InterCLR']['linear'] == expected['linear']
    initial = evaluate(str(ROOT / CONFIG), seed=0)
    assert rows['random initial weights']['knn'] == initial['knn']
    assert rows['random initial weights']['seconds'] == 0
    assert rows['MoCo v2']['seconds'] > 5
    for row in rows.values():
        assert f"{row['knn']:.3f}" in second
        assert f"{row['linear']:.3f}" in second
    curve = results['knn_over_epochs']['InterCLR']
    assert [epoch for epoch, _ in curve] == list(range(EPOCHS + 1))
    assert curve[-1][1] == expected['knn']


def test_the_figure_shows_both_runs(stopped_and_finished):
    """Without it curves could miss what was logged before the interrupt."""
    work_dir, _, _ = stopped_and_finished
    assert (work_dir / 'figure.png').read_bytes()[:4] == b'\x89PNG'
    moco = read_scalars(work_dir / 'moco')
    assert moco.unit == 'epoch' and 'inter_loss' not in moco.curves
    epochs = [-(-place // 1) for place, _ in moco.curves['loss']]
    assert epochs == list(range(1, EPOCHS + 1))
    curves = read_scalars(work_dir / 'interclr').curves
    parts = [curves[key] for key in ('loss', 'intra_loss', 'inter_loss')]
    for (_, total), (_, intra), (_, inter) in zip(*parts):
        assert total == pytest.approx(intra + inter, rel=1e-4)
    last = f'epoch_{EPOCHS}.pth'
    sizes = cluster_sizes(load_state_dict(work_dir / 'interclr' / last))
    assert sum(sizes) == 1500 and len(sizes) == 50
    assert sizes == sorted(sizes, reverse=True)
    assert cluster_sizes(load_state_dict(work_dir / 'moco' / last)) == []


def test_the_report_compares_both_runs(stopped_and_finished):
    """Without it the demo could end without its page, or with another's
    numbers."""
    work_dir, _, second = stopped_and_finished
    page = (work_dir / 'report.html').read_text()
    assert str(work_dir / 'report.html') in second.replace('\n', '')
    assert 'baseline: moco' in page and 'Left out' not in page
    for row in json.loads((work_dir / 'results.json').read_text())['results']:
        assert f"<td>{row['knn']:.3f}" in page


def test_nothing_is_done_twice(stopped_and_finished):
    """Without it a repeated demo could take its full time again."""
    work_dir, _, second = stopped_and_finished
    kept = [work_dir / 'state.json', work_dir / 'results.json']
    before = [path.read_text() for path in kept]
    stamps = {
        path: path.stat().st_mtime
        for path in work_dir.rglob('*')
        if path.suffix in ('.pth', '.log', '.html')
    }
    written = kept[0].stat().st_mtime
    demo = start(work_dir, '--epochs', str(EPOCHS))
    third = demo.communicate(timeout=120)[0]
    assert demo.returncode == 0, third
    assert [path.read_text() for path in kept] == before
    assert kept[0].stat().st_mtime == written  # each evaluation writes it
    assert all(path.stat().st_mtime == stamp
               for path, stamp in stamps.items())
    assert 'Digits, top-1' in third and 'Digits, top-1' in second


def test_other_settings_need_another_folder(stopped_and_finished):
    """Without it seeds or lengths could be mixed in one table."""
    work_dir, _, _ = stopped_and_finished
    demo = start(work_dir, '--epochs', str(EPOCHS), '--seed', '5')
    printed = demo.communicate(timeout=120)[0]
    assert demo.returncode == 1
    assert "'seed': 5" in printed and '--work-dir' in printed


def test_an_error_of_the_training_is_shown(tmp_path):
    """Without it a failure could leave nothing but an exit code."""
    (tmp_path / 'moco').mkdir()
    (tmp_path / 'moco' / 'last_checkpoint').write_text('gone/epoch_1.pth')
    demo = start(tmp_path, '--epochs', '2')
    printed = demo.communicate(timeout=240)[0]
    assert demo.returncode == 1
    assert 'MoCo v2 ended with code' in printed
    assert 'gone/epoch_1.pth is not a whole checkpoint' in printed
    assert str(tmp_path / 'moco' / 'output.log') in printed
    wait_for(lambda: not processes(tmp_path), 'end of the other training', 30)

"""What may go wrong in a run: nothing is lost, and the reason is told."""
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from libraries import FIRST
from mmengine.hooks import Hook
from resumed_run import PROCESSES, run
from small_run import NUM_IMAGES, runner_of, small_config

STEPS = 6
pytestmark = pytest.mark.slow


@pytest.fixture
def scope(one_scope):
    return one_scope


def make(scope, folder, epochs=3, **options):
    config = small_config(scope, folder, epochs=epochs, **options)
    config.custom_hooks = [
        dict(type='MemoryBankHook'),
        dict(type='ExactResumeHook')
    ]
    return config


def two_of_three_epochs(scope, folder):
    """A run that was stopped after its second epoch."""
    config = make(scope, folder)
    run(config, stop=(2 * STEPS, 'stop'))
    config.resume = True
    assert (folder / 'epoch_2.pth').exists()
    return config


def log(folder):
    return '\n'.join(
        path.read_text() for path in sorted(folder.glob('*/*.log')))


# checkpoints
def test_a_checkpoint_that_was_cut_off_is_passed_over(scope, tmp_path):
    """Without it a run killed while saving could not be resumed."""
    config = two_of_three_epochs(scope, tmp_path)
    whole = (tmp_path / 'epoch_2.pth').read_bytes()
    (tmp_path / 'epoch_2.pth').write_bytes(whole[:len(whole) // 2])
    runner = runner_of(config)
    runner.train()
    assert runner.epoch == 3
    assert 'epoch_2.pth is not a whole checkpoint; resuming from' in log(
        tmp_path)
    assert runner.model.inter_image.bank.random.step == 3 * STEPS


@pytest.mark.parametrize('resume', [False, True])
@pytest.mark.parametrize('content', [b'', b'hello', b'PK\3\4' + b'\0' * 99])
def test_a_named_file_that_is_none_is_told(tmp_path, content, resume):
    """Without it torch's error would name no file, and a user without
    ExactResumeHook would not be told either."""
    config = make(FIRST, tmp_path)
    config.custom_hooks.pop()
    config.load_from, config.resume = str(tmp_path / 'foreign.pth'), resume
    Path(config.load_from).write_bytes(content)
    with pytest.raises(ValueError, match='foreign.pth is not a whole check'):
        runner_of(config).train()


def test_without_any_whole_checkpoint_the_run_says_so(scope, tmp_path):
    """Without it a run could start anew where its user thinks it resumed."""
    config = two_of_three_epochs(scope, tmp_path)
    for path in tmp_path.glob('epoch_*.pth'):
        path.write_bytes(b'')
    with pytest.raises(ValueError, match='No other checkpoint of .* is whole'):
        runner_of(config).train()


class Killed(Exception):
    pass


def killed_while_saving(config):
    # Half of the file is on the disk when the process dies.
    bring_to_the_disk = os.fsync

    def second_time(descriptor):
        beside = Path(config.work_dir, 'epoch_2.pth.tmp')
        if beside.exists():
            os.truncate(beside, beside.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        bring_to_the_disk(descriptor)

    os.fsync = second_time
    runner_of(config).train()


def test_a_process_killed_while_it_saves(scope, tmp_path):
    """Without it a part of a file could stand where a whole one was, and the
    checkpoint before could be lost as well."""
    config = make(scope, tmp_path)
    process = PROCESSES.Process(target=killed_while_saving, args=(config, ))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / 'epoch_2.pth.tmp').stat().st_size > 0
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == [
        'epoch_1.pth'
    ]
    config.resume = True
    runner = runner_of(config)
    runner.train()
    assert runner.epoch == 3
    assert not (tmp_path / 'epoch_2.pth.tmp').exists()


def with_a_small_disk(config, limit):
    # A file may not grow beyond this: what a full disk does to a write.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    runner_of(config).train()


def test_a_full_disk_while_saving(scope, tmp_path):
    """Without it a failed save could count as one."""
    config = make(scope, tmp_path, epochs=2)
    run(config, stop=(STEPS, 'stop'))
    size = (tmp_path / 'epoch_1.pth').stat().st_size
    config.resume = True
    process = PROCESSES.Process(
        target=with_a_small_disk, args=(config, size // 2))
    process.start()
    process.join(120)
    assert process.exitcode == 1
    assert not list(tmp_path.glob('epoch_2*'))
    assert 'epoch_1.pth' in (tmp_path / 'last_checkpoint').read_text()
    runner = runner_of(config)
    runner.train()
    assert runner.epoch == 2


def test_one_kept_checkpoint_is_warned_of(scope, tmp_path):
    """Without it users would not know that mmengine deletes before it
    saves."""
    config = make(scope, tmp_path, epochs=1)
    config.default_hooks.checkpoint.max_keep_ckpts = 1
    runner_of(config).train()
    assert 'max_keep_ckpts=1 deletes the last checkpoint' in log(tmp_path)


# processes
def test_another_number_of_processes(scope, tmp_path):
    """Without it a run could not move to another machine; the bank and the
    labels of the checkpoint are kept, nothing is filled anew."""
    for before, after in ((1, 2), (2, 1)):
        folder = tmp_path / f'{before}to{after}'
        config = make(scope, folder)
        run(config, before, stop=(2 * STEPS // before, 'stop'))
        checkpoint = torch.load(folder / 'epoch_2.pth', weights_only=False)
        config.resume = True
        # Nothing moves, so that the restored state is still there at the end.
        config.optim_wrapper.optimizer.lr = 0.
        config.train_dataloader.dataset.indices = NUM_IMAGES
        assert run(config, after) == [0] * after
        text = log(folder)
        assert text.count('Filling the memory bank') == 1
        assert f'is of {before} processes and this run has {after}' in text
        last = torch.load(folder / 'epoch_3.pth', weights_only=False)
        name = 'inter_image.bank.step'
        steps = last['state_dict'][name] - checkpoint['state_dict'][name]
        assert steps == STEPS // after


DYING = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import gloo, torch.distributed as dist
from small_run import runner_of
from resumed_run import Stop
from test_faults import make
dist.init_process_group('gloo')
config = make({scope!r}, {folder!r})
gloo.train_together(config)
runner = runner_of(config)
if dist.get_rank() == 1:
    runner.register_hook(Stop(4, 'kill'))
runner.train()
"""


def test_a_process_that_dies_ends_the_others(scope, tmp_path):
    """Without it the others could wait for it for ever."""
    script = tmp_path / 'train.py'
    script.write_text(
        DYING.format(
            tests=str(Path(__file__).parent),
            scope=scope,
            folder=str(tmp_path / 'run')))
    started = time.time()
    result = subprocess.run(
        [
            sys.executable, '-m', 'torch.distributed.run', '--standalone',
            '--nproc-per-node=2', script
        ],
        capture_output=True,
        text=True,
        timeout=240,
        env=dict(os.environ, OMP_NUM_THREADS='1'))
    assert result.returncode != 0
    assert time.time() - started < 200
    # torchrun names who died, and of what.
    assert 'Signal 9 (SIGKILL)' in result.stderr
    assert 'rank      : 1' in result.stderr or 'local_rank: 1' in result.stderr


# data
def folder_of_images(root, count=80):
    random = np.random.default_rng(0)
    (root / 'train' / 'a').mkdir(parents=True)
    for number in range(count):
        image = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(root / 'train' / 'a' / f'{number:03}.png'), image)
    return root


def on_files(scope, images, work_dir, epochs=2, ignore_empty=False):
    config = make(scope, work_dir, epochs=epochs)
    dataset = config.train_dataloader.dataset
    pipeline = [
        dict(type='LoadImageFromFile', ignore_empty=ignore_empty),
        *dataset.pipeline
    ]
    prefix = 'mmcls.' if scope == 'mmselfsup' else ''
    config.train_dataloader.dataset = dict(
        type=f'{prefix}CustomDataset',
        data_root=str(images),
        data_prefix='train',
        pipeline=pipeline)
    return config


def test_images_that_changed_are_noticed_at_a_resume(scope, tmp_path):
    """Without it rows of the bank would belong to other images."""
    images = folder_of_images(tmp_path / 'images')
    config = on_files(scope, images, tmp_path / 'run')
    run(config, stop=(7, 'stop'))
    config.resume = True
    # The same number of files, in another order.
    (images / 'train' / 'a' / '000.png').rename(images / 'train' / 'a' /
                                                '999.png')
    with pytest.raises(
            ValueError,
            match=r'images or their order changed.*checkpoint: [0-9a-f]{12}, '
            r'now: [0-9a-f]{12}.*accept_other_images=True'):
        runner_of(config).train()
    config.custom_hooks[0].accept_other_images = True
    runner = runner_of(config)
    runner.train()
    assert runner.epoch == 2


def test_images_may_move(scope, tmp_path):
    """Without it the same images on another disk would be refused."""
    images = folder_of_images(tmp_path / 'images')
    config = on_files(scope, images, tmp_path / 'run')
    run(config, stop=(7, 'stop'))
    assert (tmp_path / 'run' / 'epoch_1.pth').exists()
    images.rename(tmp_path / 'moved')
    config.train_dataloader.dataset.data_root = str(tmp_path / 'moved')
    config.resume = True
    runner = runner_of(config)
    runner.train()
    assert runner.epoch == 2


def test_changed_digits_are_noticed(scope, tmp_path):
    """Without it only files would be watched, not arrays."""
    config = two_of_three_epochs(scope, tmp_path)
    config.train_dataloader.dataset.indices = [*range(1, NUM_IMAGES), 0]
    with pytest.raises(ValueError, match='images or their order changed'):
        runner_of(config).train()


def test_an_unreadable_image_does_not_mix_rows(scope, tmp_path):
    """Without it the row of an image that cannot be read could get another's
    key: stock pipelines fetch another image in its place."""
    images = folder_of_images(tmp_path / 'images')
    config = on_files(scope, images, tmp_path / 'run', ignore_empty=True)
    config.custom_hooks[0].first_clustering = 'bank'
    (images / 'train' / 'a' / '007.png').write_bytes(b'')
    seen = {}

    class Watch(Hook):

        def before_train_iter(self, runner, *args, **kwargs):
            features = runner.model.inter_image.bank.features
            seen.setdefault('before', features.clone())

        def after_train_iter(self, runner, *args, **kwargs):
            seen['after'] = runner.model.inter_image.bank.features.clone()

    runner = runner_of(config)
    runner.register_hook(Watch())
    runner.train()
    moved = (seen['before'] != seen['after']).any(1)
    assert not moved[7]
    assert moved.sum() > 60


def test_an_unreadable_image_is_named_by_the_first_extraction(
        scope, tmp_path):
    """Without it the run would end without a word on which image it was."""
    images = folder_of_images(tmp_path / 'images')
    (images / 'train' / 'a' / '007.png').write_bytes(b'')
    config = on_files(scope, images, tmp_path / 'run', ignore_empty=True)
    with pytest.raises(ValueError, match=r'007\.png'):
        runner_of(config).train()


def test_an_empty_folder_is_told(scope, tmp_path):
    """Without it zero images would give a division or an index error."""
    (tmp_path / 'images' / 'train' / 'a').mkdir(parents=True)
    config = on_files(scope, tmp_path / 'images', tmp_path / 'run')
    with pytest.raises((ValueError, FileNotFoundError, RuntimeError),
                       match='images|files|find'):
        runner_of(config).train()

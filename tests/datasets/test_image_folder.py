"""A folder of anything: what is found, named, left out and trained on."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_files import pixels, write_bad, write_good
from image_files import write_images
from libraries import FIRST
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import init_default_scope
from PIL import Image
from small_run import runner_of, small_config

from interclr_plugin.datasets import (
    ImageFolder,
    centre_view,
    to_model_inputs,
)
from interclr_plugin.datasets.extraction import extract
from interclr_plugin.datasets.fingerprint import fingerprint
from interclr_plugin.datasets.image_files import (
    check_images,
    find_images,
    shown,
)
from interclr_plugin.hooks.bank_filling import fill

LOAD = dict(type='LoadImageFromFile')


def faults(folder, max_pixels=100000):
    found = find_images(folder)
    results = check_images(folder, found.names, max_pixels, quiet=True)
    return {
        **found.faults,
        **{name: fault for name, (_, fault) in zip(found.names, results)
           if fault}
    }


def test_every_bad_file_is_named_and_no_good_one(tmp_path):
    """Without it a file could end a training, or be lost in silence."""
    good = write_good(str(tmp_path), 28)
    expected = write_bad(str(tmp_path))
    (tmp_path / 'notes.txt').write_text('of another kind')
    (tmp_path / '.hidden.jpg').write_text('passed over')
    said = faults(str(tmp_path))
    assert set(said) == set(expected)
    for name, words in expected.items():
        assert words in said[name], (name, said[name])
    found = find_images(str(tmp_path))
    assert set(good) < set(found.names)
    assert found.others == {'.txt': 1}
    assert found.names == sorted(found.names, key=os.fsencode)


def test_processes_say_the_same(tmp_path):
    """Without it a large folder, which several processes check, could be
    told of other files than a small one."""
    write_good(str(tmp_path), 450)
    write_bad(str(tmp_path))
    names = find_images(str(tmp_path)).names
    many = check_images(str(tmp_path), names, 100000, quiet=True)
    few = [check_images(str(tmp_path), [name], 100000, quiet=True)[0]
           for name in names]
    assert many == few and sum(edge is None for edge, _ in many) == 8


NO_RIGHT = """
import os, sys
from interclr_plugin.datasets.image_files import check_image, find_images
os.setgid(65534)
os.setuid(65534)
print(find_images(sys.argv[1]))
print(check_image(sys.argv[1] + '/closed.png'))
"""


@pytest.mark.skipif(os.getuid() != 0, reason='needs to become nobody')
def test_what_must_not_be_read_is_named():
    """Without it a file without permission could end in a traceback."""
    # Not below pytest's folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        folder = Path(place, 'images')
        write_images(folder / 'closed', 1, 8)
        Image.fromarray(pixels(np.random.default_rng(0))).save(
            folder / 'closed.png')
        for path in (folder / 'closed', folder / 'closed.png'):
            path.chmod(0)
        run = subprocess.run(
            [sys.executable, '-c', NO_RIGHT, str(folder)],
            capture_output=True,
            text=True)
    assert "'closed': 'a folder: Permission denied'" in run.stdout, run.stderr
    assert 'not readable: Permission denied' in run.stdout


def test_a_link_is_followed_once(tmp_path):
    """Without it linked folders could be lost, or read again and again."""
    write_images(tmp_path / 'elsewhere' / 'deep', 2, 8)
    (tmp_path / 'elsewhere' / 'back').symlink_to(tmp_path / 'images')
    write_images(tmp_path / 'images' / 'a', 2, 8)
    for name in ('b', 'c'):
        (tmp_path / 'images' / name).symlink_to(tmp_path / 'elsewhere')
    found = find_images(str(tmp_path / 'images'))
    assert found.names == [
        'a/000.jpg', 'a/001.jpg', 'b/deep/000.jpg', 'b/deep/001.jpg'
    ]
    assert sorted(found.faults) == ['b/back', 'c']


def test_bad_images_are_left_out_or_named(tmp_path, caplog):
    """Without it one bad file could end a training, or be trained on."""
    init_default_scope(FIRST)
    good = write_good(str(tmp_path), 14)
    write_bad(str(tmp_path))
    left = ImageFolder(
        data_root=str(tmp_path), skip_bad=True, pipeline=[LOAD])
    paths = [left.get_data_info(i)['img_path'] for i in range(len(left))]
    expected = {str(tmp_path / name) for name in good}
    # Large for this test alone.
    assert set(paths) - {str(tmp_path / 'bad/large.png')} == expected
    assert all(left[i] is not None for i in range(len(left)))
    every = ImageFolder(data_root=str(tmp_path), pipeline=[LOAD])
    named = 0
    for index in range(len(every)):
        path = every.get_data_info(index)['img_path']
        if path in paths:
            continue
        try:  # OpenCV takes what is left of some that are cut off.
            every[index]
        except ValueError as error:
            assert shown(path) in str(error) and 'skip_bad' in str(error)
            named += 1
    assert named >= 7


def test_a_list_keeps_its_order_and_bytes(tmp_path):
    """Without it a name that is no UTF-8 could not be in a list."""
    names = write_good(str(tmp_path), 16)[::-1]
    (tmp_path / 'list.txt').write_bytes(
        b''.join(os.fsencode(name) + b'\n' for name in names))
    dataset = ImageFolder(data_root=str(tmp_path), ann_file='list.txt')
    assert [dataset.get_data_info(i)['img_path'] for i in range(16)
            ] == [str(tmp_path / name) for name in names]
    assert fingerprint(dataset) != fingerprint(
        ImageFolder(data_root=str(tmp_path)))


def test_classes_are_the_first_folders(tmp_path):
    """Without it an evaluation could compare with other classes."""
    for name in ('b', 'a/deep'):
        write_images(tmp_path / name, 2, 8)
    dataset = ImageFolder(data_root=str(tmp_path), with_label=True)
    assert dataset.metainfo['classes'] == ('a', 'b')
    assert dataset.get_gt_labels().tolist() == [0, 0, 1, 1]
    turned = ImageFolder(
        data_root=str(tmp_path),
        with_label=True,
        metainfo=dict(classes=['b', 'c', 'a']))
    assert turned.get_gt_labels().tolist() == [2, 2, 0, 0]
    write_images(tmp_path / 'new', 1, 8)
    with pytest.raises(ValueError, match='new/000.jpg has no class'):
        ImageFolder(
            data_root=str(tmp_path),
            with_label=True,
            metainfo=dict(classes=['a', 'b']))


@pytest.mark.parametrize('name, said', [('nobody', 'is no folder'),
                                        ('.', 'No image that can be used')])
def test_a_folder_without_images_is_told(name, said, tmp_path):
    """Without it the first step would fail, of no images."""
    with pytest.raises(ValueError, match=said):
        ImageFolder(data_root=str(tmp_path / name))


# In a run.


def on_folder(scope, dataset, work_dir):
    config = small_config(scope, work_dir, epochs=2)
    pipeline = [LOAD, *config.train_dataloader.dataset.pipeline]
    datasets = dataset if isinstance(dataset, list) else [dataset]
    for each in datasets:
        each.update(type='ImageFolder', pipeline=pipeline)
    config.train_dataloader.dataset = datasets[0] if len(
        datasets) == 1 else dict(type='ConcatDataset', datasets=datasets)
    config.custom_hooks = [dict(type='MemoryBankHook')]
    return config


def test_a_file_that_breaks_during_a_training(one_scope, tmp_path, capfd):
    """Without it days of training could end because of one file, or end
    without its name."""
    names = write_good(str(tmp_path / 'images'), 70)
    lost = tmp_path / 'images' / names[9]
    dataset = dict(data_root=str(tmp_path / 'images'), skip_bad=True)
    runner = runner_of(on_folder(one_scope, dataset, tmp_path))
    fill = runner.model.inter_image.fill

    def break_after_fill(*args):
        lost.write_bytes(b'')
        return fill(*args)

    runner.model.inter_image.fill = break_after_fill
    runner.train()
    assert runner.epoch == 2
    said = capfd.readouterr()
    assert f'{shown(str(lost))} cannot be used: empty' in said.out + said.err
    # Without skip_bad it is an error; the fill cannot do without.
    for skip in (False, True):
        dataset = dict(data_root=str(tmp_path / 'images'))
        if skip:
            (tmp_path / 'list.txt').write_bytes(
                b'\n'.join(map(os.fsencode, names)))
            dataset.update(ann_file=str(tmp_path / 'list.txt'), skip_bad=True)
        with pytest.raises(ValueError, match='cannot be used: empty'):
            runner_of(on_folder(one_scope, dataset, tmp_path)).train()


def test_joined_folders_are_one_bank(one_scope, tmp_path):
    """Without it images of two folders could share a row."""
    for name, count in (('one', 24), ('two', 40)):
        write_images(tmp_path / name, count, 32, seed=count)
    datasets = [
        dict(data_root=str(tmp_path / name)) for name in ('one', 'two')
    ]
    config = on_folder(one_scope, datasets, tmp_path)
    config.custom_hooks += [dict(type='ExactResumeHook')]
    runner = runner_of(config)
    positions = []
    loss = runner.model.inter_image.forward

    def watch(query, key, index, *args, **kwargs):
        positions.extend(index.tolist())
        return loss(query, key, index, *args, **kwargs)

    runner.model.inter_image.forward = watch
    runner.train()
    assert runner.model.inter_image.num_images == 64
    assert sorted(positions) == sorted(2 * list(range(64)))
    joined = runner.train_dataloader.dataset
    repeated = RepeatDataset(dict(type=lambda: joined), 2)
    assert fingerprint(repeated) == fingerprint(joined)
    turned = ConcatDataset(joined.datasets[::-1])
    assert fingerprint(turned) != fingerprint(joined)
    model = runner.model
    fill(model, runner, None, 256)
    expected = [
        extract(
            centre_view(part), model,
            lambda batch: model.project(to_model_inputs(model, batch)))
        for part in joined.datasets
    ]
    torch.testing.assert_close(
        model.inter_image.bank.features,
        torch.nn.functional.normalize(torch.cat(expected), dim=1))

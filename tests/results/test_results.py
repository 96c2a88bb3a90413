"""Clusters, embeddings and neighbours, against numpy, pandas, scikit-learn."""
import os
import sys

import numpy as np
import pytest
import torch
from libraries import FIRST
from PIL import Image
from run_of_files import (
    NUM_IMAGES,
    STEPS,
    cosine,
    images_as_input,
    state_of,
    write_run,
)
from small_run import build_model

from interclr_plugin.__main__ import main
from interclr_plugin.checkpoints import publish
from interclr_plugin.results import (
    bank,
    clusters,
    embed,
    make_folders,
    neighbours,
)
from interclr_plugin.results.table_file import check_table_name, write_table

pandas = pytest.importorskip('pandas')
NECK = dict(
    type='MoCoV2Neck', in_channels=32, hid_channels=16, out_channels=8)
SPHERICAL = dict(type='OnlineKMeans', geometry='spherical')
in_one_library = pytest.mark.parametrize('made', [FIRST], indirect=True)


@pytest.fixture(scope='module', params=['mmselfsup', 'mmpretrain'])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('made')
    dtype = dict(mmselfsup='float16', mmpretrain='float32')[request.param]
    config = write_run(
        request.param,
        folder,
        model__inter_image__bank=dict(dtype=dtype))
    return folder, config


@pytest.fixture(scope='module')
def run(made):
    return str(made[0] / 'run')


@pytest.fixture(scope='module')
def files(made):
    return sorted(map(str, (made[0] / 'images').rglob('*.png')))


@pytest.fixture(scope='module')
def new(made):
    """Images that were not in the training."""
    folder = made[0] / 'new'
    folder.mkdir()
    pixels = np.random.RandomState(1).randint(256, size=(7, 32, 32, 3))
    for i, image in enumerate(pixels.astype(np.uint8)):
        Image.fromarray(image).save(folder / f'{i}.png')
    return sorted(map(str, folder.iterdir()))


# Clusters.


def test_the_table_is_that_of_numpy_and_pandas(made, run, files, monkeypatch):
    """Without it an image could be given another's cluster, similarity or
    rank, where rows are looked at block by block, too."""
    monkeypatch.setattr(bank, '_BLOCK', 7)
    table = clusters(run)
    state = state_of(made[0])
    rows = state['inter_image.bank.features'].double()
    labels = state['inter_image.bank.labels'].numpy()
    near = cosine(rows, state['inter_image.bank.centroids'])
    near = near.numpy()[np.arange(NUM_IMAGES), labels]
    assert table['file'].tolist() == files
    assert table['cluster'].tolist() == labels.tolist()
    np.testing.assert_allclose(table['similarity'], near, atol=1e-6)
    frame = pandas.DataFrame(dict(cluster=labels, near=near))
    ranks = frame.groupby('cluster')['near'].rank(ascending=False)
    assert table['rank'].tolist() == (ranks - 1).astype(int).tolist()
    assert table['cluster'].nunique() > 2


def test_the_last_change_is_that_of_a_loop(made, run, tmp_path):
    """Without it a change could be told at another step, or where none was,
    or a checkpoint that was cut off could end it."""
    labels = [
        state_of(made[0], number)['inter_image.bank.labels'].tolist()
        for number in (1, 2, 3)
    ]
    expected = []
    for first, second, third in zip(*labels):
        step = STEPS[2] if second != third else (
            STEPS[1] if first != second else None)
        expected.append(step)
    assert len(set(expected)) == 3
    table = clusters(run)
    found = [None if each is pandas.NA else each
             for each in table['last_change']]
    assert found == expected
    # Of the second checkpoint the first alone came before.
    table = clusters(f'{run}/epoch_2.pth')
    moved = np.array(labels[0]) != np.array(labels[1])
    assert table['last_change'].notna().tolist() == moved.tolist()
    for name in ('config.py', 'epoch_1.pth', 'epoch_3.pth'):
        os.symlink(f'{run}/{name}', tmp_path / name)
    with open(f'{run}/epoch_2.pth', 'rb') as file:
        (tmp_path / 'epoch_2.pth').write_bytes(file.read(5000))
    moved = np.array(labels[0]) != np.array(labels[2])
    table = clusters(str(tmp_path))
    assert table['last_change'].notna().tolist() == moved.tolist()


@in_one_library
@pytest.mark.parametrize('way', ['copy', 'link'])
def test_each_cluster_has_a_folder(run, way, tmp_path, capsys):
    """Without it of two files of one name one could be lost, or a user's own
    be written over."""
    mine = tmp_path / 'mine'
    mine.mkdir()
    (mine / 'precious').write_text('precious')
    out = tmp_path / 'clusters.csv'
    words = ['clusters', run, '--out', str(out)]
    with pytest.raises(SystemExit, match='error: .*mine is there already'):
        main([*words, f'--{way}', str(mine)])
    assert [each.name for each in mine.iterdir()] == ['precious']
    assert not out.exists()
    main([*words, f'--{way}', str(tmp_path / 'sorted')])
    table = pandas.read_csv(out)
    assert f'{table["cluster"].nunique()} folders' in capsys.readouterr().out
    found = sorted(path for path in (tmp_path / 'sorted').rglob('*')
                   if not path.is_dir())
    assert len(found) == NUM_IMAGES
    with pytest.raises(FileExistsError, match='mine is there already'):
        make_folders(table, str(mine), way)
    table = table.sort_values(['cluster', 'rank'])
    for path, row in zip(found, table.itertuples()):
        assert path.is_symlink() == (way == 'link')
        assert int(path.parent.name) == row.cluster
        rank, _, name = path.name.partition('_')
        assert int(rank) == row.rank and name == os.path.basename(row.file)
        with open(row.file, 'rb') as file:
            assert path.read_bytes() == file.read()
    os.rename(table['file'].iloc[0], tmp_path / 'away')
    try:
        with pytest.raises(FileNotFoundError, match='nothing was sorted'):
            make_folders(table, str(tmp_path / 'other'), way)
        assert not (tmp_path / 'other').exists()
    finally:
        os.rename(tmp_path / 'away', table['file'].iloc[0])


# Embeddings.


def model_of(made, scope):
    """The stock model with the checkpoint's weights, as it would predict."""
    model = build_model(made[1], scope)
    model.load_state_dict(state_of(made[0]))
    return model.eval()


def assert_close(array, tensor):
    np.testing.assert_allclose(array, tensor.numpy(), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_an_embedding_is_the_model_s(made, run, new):
    """Without it features could be of another network, channel order or
    image; clusters of the wrong network."""
    scope = made[1].default_scope
    found = embed(run, [os.path.dirname(new[0])], device='cpu', batch_size=3)
    model = model_of(made, scope)
    inputs = images_as_input(new)
    maps = model.backbone(inputs)[-1]
    assert found.files == new and not found.lacks
    assert_close(found.features, maps.mean((2, 3)))
    assert_close(found.projections, model.neck((maps, ))[0])
    # MoCo's rows come from its momentum encoder.
    keys = model.encoder_k(inputs)[0]
    assert not np.allclose(keys, found.projections, atol=1e-2)
    state = state_of(made[0])
    centroids = state['inter_image.bank.centroids']
    products = torch.nn.functional.normalize(keys, dim=1) @ centroids.t()
    assert found.clusters.tolist() == products.argmax(1).tolist()
    near = cosine(keys, centroids)[range(7), found.clusters]
    assert_close(found.similarity, near)


@torch.no_grad()
def test_the_training_set_is_embedded_in_its_order(made, run, files):
    """Without it row i could be of another image than name i."""
    scope = made[1].default_scope
    found = embed(run, device='cpu')
    assert found.files == files
    maps = model_of(made, scope).backbone(images_as_input(files))[-1]
    assert_close(found.features, maps.mean((2, 3)))


@torch.no_grad()
def test_published_files_give_what_they_hold(made, run, new, tmp_path):
    """Without it a file that was handed on could not be used, or would give
    projections of weights that it has not."""
    config = f'{run}/config.py'
    whole = embed(run, new, device='cpu')
    for backbone in (False, True):
        path = str(tmp_path / f'{backbone}.pth')
        publish(f'{run}/epoch_3.pth', path, backbone=backbone)
        with pytest.raises(FileNotFoundError, match='with --config'):
            embed(path, new)
        found = embed(path, new, config=config, device='cpu')
        np.testing.assert_array_equal(found.features, whole.features)
        assert found.clusters is None and 'no clusters' in found.lacks
        if backbone:
            assert found.projections is None
            assert 'no projections: ' in found.lacks
            assert '`publish --backbone` leaves out' in found.lacks
        else:
            np.testing.assert_array_equal(found.projections,
                                          whole.projections)
        with pytest.raises(ValueError, match='no clusters'):
            clusters(path, config=config)
        with pytest.raises(ValueError, match="by='features'"):
            neighbours(path, '3', config=config, by='projections')


@torch.no_grad()
def test_a_neck_of_the_branch_s_own_and_other_geometries(tmp_path, scope):
    """Without it the stock neck could be taken for the branch's, whose rows
    the bank has, or a cluster by another rule than the training's."""
    config = write_run(
        scope,
        tmp_path,
        model__inter_image__neck=NECK,
        model__inter_image__labels=SPHERICAL)
    run, files = str(tmp_path / 'run'), [str(tmp_path / 'images/a')]
    found = embed(run, files, device='cpu')
    model = model_of((tmp_path, config), scope)
    keys = model.project(images_as_input(found.files))
    assert_close(found.projections, keys)
    centroids = state_of(tmp_path)['inter_image.bank.centroids']
    assert found.clusters.tolist() == cosine(keys,
                                             centroids).argmax(1).tolist()
    publish(f'{run}/epoch_3.pth', str(tmp_path / 'published.pth'))
    found = embed(
        str(tmp_path / 'published.pth'), files, config=f'{run}/config.py')
    assert found.projections is None and '`publish` leaves out' in found.lacks


def test_files_hold_the_arrays(run, new, tmp_path, capsys):
    """Without it rows and names could be of different images in the files."""
    out = tmp_path / 'new' / 'embedding'
    listing = tmp_path / 'list.txt'
    listing.write_text('\n'.join(new) + '\n\n')
    words = ['embed', run, str(listing), '--device', 'cpu', '--out']
    main([*words, str(out)])
    assert 'features (7, 32), projections (7, 8)' in capsys.readouterr().out
    found = embed(run, new, device='cpu')
    table = pandas.read_csv(out / 'images.csv')
    assert table['file'].tolist() == new
    assert table['cluster'].tolist() == found.clusters.tolist()
    np.testing.assert_allclose(table['similarity'], found.similarity)
    for name in ('features', 'projections'):
        np.testing.assert_array_equal(
            np.load(out / f'{name}.npy'), getattr(found, name))
    with pytest.raises(SystemExit, match='error: .*is there already'):
        main([*words, str(out)])
    pytest.importorskip('pyarrow')
    main([*words, str(tmp_path / 'all.parquet')])
    table = pandas.read_parquet(tmp_path / 'all.parquet')
    assert table['file'].tolist() == new
    np.testing.assert_array_equal(
        np.stack(table['features']), found.features)
    np.testing.assert_array_equal(
        np.stack(table['projections']), found.projections)


# Neighbours.


def of_scikit_learn(rows, query, k):
    nearest = pytest.importorskip('sklearn.neighbors').NearestNeighbors(
        n_neighbors=k, metric='cosine').fit(rows)
    distance, index = nearest.kneighbors(query[None])
    return index[0].tolist(), 1 - distance[0]


def test_neighbours_are_those_of_scikit_learn(made, run, files, new,
                                              monkeypatch):
    """Without it the nearest images could be others, or an image its own
    neighbour."""
    monkeypatch.setattr(bank, '_BLOCK', 7)
    rows = state_of(made[0])['inter_image.bank.features'].double().numpy()
    features = embed(run, device='cpu').features
    cases = [
        (files[5], dict(), rows, rows[5]),
        ('5', dict(by='features'), features, features[5]),
        (new[2], dict(by='features'), features,
         embed(run, new, device='cpu').features[2]),
    ]
    with torch.no_grad():
        key = model_of(made, made[1].default_scope).encoder_k(
            images_as_input(new[:1]))[0][0]
    cases.append((new[0], dict(), rows, key.double().numpy()))
    for image, options, every, query in cases:
        found = neighbours(run, image, 4, device='cpu', **options)
        index, similarity = of_scikit_learn(every, query, 5)
        if image not in new:
            assert index.pop(0) == 5
            similarity = similarity[1:]
        assert found.index.tolist() == index[:4]
        assert found['file'].tolist() == [files[i] for i in index[:4]]
        np.testing.assert_allclose(
            found['similarity'], similarity[:4], atol=1e-5)


def test_a_run_of_arrays(tmp_path, one_scope, capsys):
    """Without it images that are no files could not be named or drawn, and
    new files not be read where the training reads none."""
    write_run(one_scope, tmp_path, files=False)
    run, out = str(tmp_path / 'run'), tmp_path / 'deep' / 'n.png'
    Image.new('RGB', (40, 50)).save(tmp_path / '7.png')
    main(['neighbours', run, '7', '-k', '8', '--out', str(out)])
    printed = capsys.readouterr().out.splitlines()
    found = neighbours(run, '7', 8)
    assert printed[:8] == [f'{row.similarity:.3f}  {row.Index}'
                           for row in found.itertuples()]
    assert 7 not in found.index and printed[8] == str(out)
    # Nine pictures in two rows, of which none is white.
    drawn = np.asarray(Image.open(out).convert('L'))
    height, width = drawn.shape
    cells = [drawn[height // 2 * (i // 6):, width // 6 * (i % 6):][
        height // 5:height // 3, 20:width // 7] for i in range(12)]
    assert [cell.min() < 100 for cell in cells] == [True] * 9 + [False] * 3
    assert len(neighbours(run, str(tmp_path / '7.png'), 2)) == 2
    table = clusters(run)
    assert table['file'].tolist() == [str(i) for i in range(NUM_IMAGES)]
    with pytest.raises(ValueError, match='arrays and no files'):
        make_folders(table, str(tmp_path / 'sorted'), 'copy')


# What users get wrong.


@in_one_library
@pytest.mark.parametrize('words, said', [
    ('clusters nowhere', 'there is no nowhere'),
    ('clusters empty', 'empty holds no checkpoint'),
    ('clusters torn', 'torn holds no whole checkpoint'),
    ('clusters torn/epoch_1.pth', 'torn/epoch_1.pth is not a whole'),
    ('clusters run --out a.txt', "a.txt ends in '.txt'; allowed: .csv"),
    ('clusters run --config list.txt', 'list.txt'),
    ('clusters run --config empty.py', 'no model and no train_dataloader'),
    ('embed run missing.png', 'there is no image missing.png'),
    ('embed run empty', 'empty holds no image'),
    ('embed run text.png', 'text.png cannot be read as an image'),
    ('embed run nothing.png --num-workers 1',
     'nothing.png cannot be read as an image'),
    ('neighbours run text.png', 'text.png cannot be read as an image'),
    ('neighbours run missing.png', 'there is no image missing.png'),
    ('neighbours run 48', 'there is no image 48 in the training set'),
    ('neighbours run 3 -k 48', 'k=48 neighbours of 48 images: .* 1 to 47'),
    ('neighbours run 3 -k 1 --out a.xyz', 'xyz'),
    ('neighbours warming_up 3 --by projections', 'holds no memory bank'),
    ('clusters warming_up', 'holds no clusters'),
    ('clusters other', 'others than those of the checkpoint'),
    ('clusters fewer', 'clusters of 47 images and .* has 48'),
])
def test_a_mistake_is_told(words, said, made, tmp_path, monkeypatch):
    """Without it a slip could end in a traceback, or in a wrong answer."""
    for name in ('run', 'list.txt'):
        (tmp_path / name).symlink_to(made[0] / name)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty.py').write_text('a = 1\n')
    (tmp_path / 'nothing.png').write_text('')
    (tmp_path / 'text.png').write_text('no image')
    path = made[0] / 'run/epoch_1.pth'
    kind = words.split()[1].partition('/')[0]
    if kind in ('torn', 'warming_up', 'other', 'fewer'):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / 'config.py').symlink_to(made[0] / 'run/config.py')
        content = torch.load(path, weights_only=True)
        state = content['state_dict']
        if kind == 'warming_up':
            state['inter_image.bank.status'] = torch.tensor(1)
        if kind == 'other':
            content['meta']['image_fingerprint'] = 'another'
        if kind == 'fewer':
            for name in ('features', 'labels'):
                name = f'inter_image.bank.{name}'
                state[name] = state[name][:-1]
        torch.save(content, folder / 'epoch_1.pth')
        if kind == 'torn':
            (folder / 'epoch_1.pth').write_bytes(path.read_bytes()[:9000])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=f'^error: (.|\n)*{said}') as left:
        main(words.split())
    assert 'Traceback' not in str(left.value)
    assert not (tmp_path / 'embedding').exists()


@in_one_library
@pytest.mark.parametrize('module', ['pandas', 'pyarrow'])
def test_what_is_missing_is_said(module, run, monkeypatch, tmp_path):
    """Without it somebody without pandas would not learn what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match=r'interclr-plugin\[results\]'):
        main(['clusters', run, '--out', str(tmp_path / 'a.parquet')])


def test_names_that_are_no_text(tmp_path):
    """Without it one file's name could cost a user the whole table."""
    name = os.fsdecode(b'caf\xe9, "a".jpg')
    table = pandas.DataFrame(dict(file=[name, 'b.jpg'], cluster=[1, 2]))
    write_table(table, str(tmp_path / 'a.csv'))
    assert b'caf\xe9, ""a"".jpg' in (tmp_path / 'a.csv').read_bytes()
    pytest.importorskip('pyarrow')
    check_table_name(str(tmp_path / 'a.parquet'))
    with pytest.raises(ValueError, match='ends in .csv'):
        write_table(table, str(tmp_path / 'a.parquet'))


def test_the_view_of_the_training_is_taken(tmp_path):
    """Without it images would be cropped otherwise than for the bank."""
    hooks = [dict(type='MemoryBankHook', transforms=[
        dict(type='LoadImageFromFile'),
        dict(type='CenterCrop', crop_size=16)])]
    config = write_run(FIRST, tmp_path, custom_hooks=hooks)
    found = embed(str(tmp_path / 'run'), device='cpu')
    inputs = images_as_input(found.files)[:, :, 8:24, 8:24]
    with torch.no_grad():
        maps = model_of((tmp_path, config), FIRST).backbone(inputs)[-1]
    assert_close(found.features, maps.mean((2, 3)))
    assert len(found.features) == NUM_IMAGES

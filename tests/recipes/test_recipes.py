"""From a folder to its configurations: sizes, classes, files, trainings."""
import os
import shlex
from collections import Counter

import pytest
import torch
from bad_files import write_bad, write_good
from image_files import write_images
from libraries import FIRST, INSTALLED
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope
from small_run import CONFIGS, build_model, runner_of

from interclr_plugin.__main__ import main
from interclr_plugin.datasets.image_files import MAX_PIXELS
from interclr_plugin.inter_image import (
    RelationLoss,
    RelationSampler,
    propose,
)
from interclr_plugin.recipes import write_recipe
from interclr_plugin.recipes.sizes import propose_sizes
from interclr_plugin.recipes.survey import hold_out, survey

# Sizes.


@pytest.mark.parametrize('count', [
    4, 5, 31, 32, 33, 100, 479, 480, 1995, 2000, 10_000, 50_000, 1_281_167
])
@pytest.mark.parametrize('most, queue', [(256, 4096), (64, 16384)])
def test_sizes_fit_the_images(count, most, queue):
    """Without it MoCo could stop at its queue, or an epoch have no step."""
    sizes = propose_sizes(
        count, batch_size=most, lr=0.03, lr_batch=256, queue_len=queue)
    assert 2 <= sizes.batch_size <= most and 2 * sizes.batch_size <= count
    assert sizes.queue_len % sizes.batch_size == 0
    assert sizes.queue_len <= min(queue, count) < 2 * sizes.queue_len
    assert sizes.lr == pytest.approx(0.03 * sizes.batch_size / 256)
    if count > 480:
        assert count / sizes.batch_size >= 30
        assert sizes.batch_size >= 16
    assert sizes.epochs == {
        50_000: 200, 10_000: 200, 1_281_167: 200}.get(count, 800)


# What a folder is for.


def folders(root, **counts):
    for name, count in counts.items():
        write_images(root / name.replace('__', '/'), count, 8)
    return survey(str(root), MAX_PIXELS)


def test_sub_folders_are_classes(tmp_path):
    """Without it an evaluation would have no classes, or wrong ones."""
    found = folders(tmp_path, a=3, b__deep=2)
    assert found.classes == ['a', 'b'] and found.test_names == []
    assert (found.prefix, found.edge, len(found.names)) == ('', 8, 5)
    # An image beside the folders has no class.
    write_images(tmp_path / 'top', 1, 8)
    os.rename(tmp_path / 'top/000.jpg', tmp_path / 'alone.jpg')
    assert survey(str(tmp_path), MAX_PIXELS).classes == []


@pytest.mark.parametrize('test', ['test', 'val'])
def test_a_test_folder_stays_out_of_the_training(test, tmp_path):
    """Without it a backbone could be trained on the images that test it."""
    found = folders(tmp_path, **{
        'train__a': 3, 'train__b': 2, f'{test}__a': 1, f'{test}__b': 2})
    assert (found.prefix, found.test_prefix) == ('train', test)
    assert found.names == ['a/000.jpg', 'a/001.jpg', 'a/002.jpg',
                           'b/000.jpg', 'b/001.jpg']
    assert found.test_names == ['a/000.jpg', 'b/000.jpg', 'b/001.jpg']
    assert found.classes == ['a', 'b']


def test_a_fifth_of_each_class_is_held_out():
    """Without it a class could be tested that has no image to learn from."""
    counts = dict(a=1, b=2, c=4, d=5, e=9, f=23)
    names = [f'{of}/{i:02}' for of in counts for i in range(counts[of])]
    train, test = hold_out(names)
    assert sorted(train + test) == names and not set(train) & set(test)
    found = Counter(name[0] for name in test)
    assert found == dict(b=1, c=1, d=1, e=1, f=4)


# Files.


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Folders of two classes, with bad files in a third."""
    root = tmp_path_factory.mktemp('images') / "it's mine, ünï"
    for name in ('a b', 'c'):
        write_images(root / name, 40, 32, seed=len(name))
    write_bad(str(root))
    return root


def written(images, out, **options):
    options = {'library': FIRST, **options}
    return write_recipe(str(images), str(out), **options)


CASES = [(32, 'BYOL'), (64, 'MoCo')] + [
    pytest.param(size, algorithm, marks=[pytest.mark.slow, pytest.mark.matrix])
    for size in (32, 64, 96, 224) for algorithm in ('MoCo', 'SimCLR', 'BYOL')
    if (size, algorithm) not in ((32, 'BYOL'), (64, 'MoCo'))
]


@pytest.mark.parametrize('size, algorithm', CASES)
@pytest.mark.parametrize('library', INSTALLED)
def test_a_configuration_is_read_as_it_was_made(library, size, algorithm,
                                                images, tmp_path):
    """Without it a file could lose a setting, or name what is not there."""
    recipe = written(
        images, tmp_path, library=library, size=size, algorithm=algorithm)
    config = Config.fromfile(tmp_path / 'pretrain.py')
    assert config._cfg_dict == recipe.pretrained._cfg_dict
    assert '_base_' not in (tmp_path / 'pretrain.py').read_text()
    assert config.model.algorithm == algorithm
    expected = propose(81)
    expected['labels'].pop('type', None)
    for name, value in expected.items():
        assert config.model.inter_image[name] == value
    model = build_model(config, library)
    with DefaultScope.overwrite_default_scope(library):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        views = dataset[0]['inputs']
    assert [tuple(view.shape) for view in views] == [(3, size, size)] * 2
    with torch.no_grad():
        levels = model.backbone(torch.zeros(1, 3, size, size))
    assert levels[-1].shape[1] == config.model.neck.in_channels
    for name in ('linear', 'finetune'):
        config = Config.fromfile(tmp_path / f'{name}.py')
        config.model.backbone.init_cfg = None
        with DefaultScope.overwrite_default_scope(config.default_scope):
            classifier = MODELS.build(config.model)
            # The frozen stages too: every weight has its place.
            assert not classifier.backbone.load_state_dict(
                model.backbone.state_dict(), strict=False).missing_keys
            for loader, count in (('train', 65), ('test', 16)):
                part = DATASETS.build(config[f'{loader}_dataloader'].dataset)
                assert len(part) == count
                assert part[0]['inputs'].shape == (3, size, size)


@pytest.mark.parametrize('algorithm', ['MoCo', 'BYOL'])
def test_relations_can_be_asked_for(algorithm, images, tmp_path):
    """Without it what led on photographs would have to be put together by
    hand, with weights from another page."""
    main(['init', str(images), '--out', str(tmp_path / 'out'), '--relations',
          '--algorithm', algorithm, '--library', FIRST])
    config = Config.fromfile(tmp_path / 'out/pretrain.py')
    assert (config.model.intra_weight, config.model.inter_weight) == (1, .5)
    branch = build_model(config, FIRST).inter_image
    branch.allocate(81, seed=0)
    assert type(branch.sampler) is RelationSampler
    assert type(branch.loss) is RelationLoss
    assert branch.bank.momentum == 0.2


def test_nothing_is_written_over(images, tmp_path, capsys):
    """Without it a second call could destroy what was changed by hand."""
    out = ['--out', str(tmp_path / 'out')]
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/pretrain.py').write_text('mine')
    with pytest.raises(SystemExit, match='error: pretrain.py in .* is there '
                       'already and is not written over.*--overwrite'):
        main(['init', str(images), *out])
    assert (tmp_path / 'out/pretrain.py').read_text() == 'mine'
    assert os.listdir(tmp_path / 'out') == ['pretrain.py']
    main(['init', str(images), *out, '--overwrite', '--epochs', '3'])
    said = capsys.readouterr().out
    assert 'max_epochs=3' in (tmp_path / 'out/pretrain.py').read_text()
    listed = (tmp_path / 'out/unusable.txt').read_text()
    # large.png is so for the tests of a smaller limit alone.
    for name in set(os.listdir(images / 'bad')) - {'large.png'}:
        name = name.replace('\n', '\\n')
        assert f'bad/{name}\t' in listed and f'bad/{name}: ' in said
    assert 'cannot be used' in said and '81 images' in said


@pytest.mark.parametrize('words, said', [
    (['nobody'], 'is no folder'),
    (['.'], 'none can be used'),
    (['few'], 'num_images=3 must be at least 4'),
    (['few', '--epochs', '0'], '--epochs 0'),
    (['few', '--max-pixels', '0'], '--max-pixels 0'),
])
def test_a_wrong_folder_ends_in_a_sentence(words, said, tmp_path,
                                           monkeypatch):
    """Without it a slip would end in a traceback."""
    monkeypatch.chdir(tmp_path)
    if words[0] == 'few':
        write_images(tmp_path / 'few', 3, 8)
    with pytest.raises(SystemExit, match=f'^error: .*{said}'):
        main(['init', *words])
    assert not list(tmp_path.glob('*-interclr'))


# Trainings.


def smaller(path, work_dir, **options):
    config = Config.fromfile(path)
    config.work_dir = str(work_dir)
    for name in ('train', 'val', 'test'):
        if f'{name}_dataloader' in config:
            config[f'{name}_dataloader'].num_workers = 0
    config.merge_from_dict(options)
    return config


@pytest.mark.slow
@pytest.mark.parametrize('library', [
    FIRST, *(pytest.param(library, marks=pytest.mark.matrix)
             for library in INSTALLED[1:])])
def test_a_folder_trains_at_the_first_try(library, tmp_path):
    """Without it the first thing that a new user does could fail."""
    write_good(str(tmp_path / 'images'), 70)
    write_bad(str(tmp_path / 'images'))
    out = tmp_path / 'out'
    # large.png has 300,000.
    recipe = written(
        tmp_path / 'images', out, library=library, small=True, epochs=1,
        size=32, max_pixels=100_000)
    assert len(recipe.found.names) == 70
    runner = runner_of(smaller(out / 'pretrain.py', out / 'run'))
    runner.train()
    assert runner.model.inter_image.num_images == 70
    checkpoint = torch.load(out / 'run/epoch_1.pth', weights_only=False)
    weight = checkpoint['state_dict']['backbone.layer1.0.conv1.weight']
    for name in ('linear', 'finetune'):
        runner = runner_of(
            smaller(out / f'{name}.py', out / name,
                    **{'train_cfg.max_epochs': 1}))
        runner.train()
        assert 0 <= runner.message_hub.get_scalar(
            'val/accuracy/top1').current() <= 100
        # Of four classes at most: with the rate for MoCo's features of a
        # ResNet-50 it was in the hundreds.
        assert runner.message_hub.get_scalar('train/loss').current() < 10
        now = runner.model.state_dict()['backbone.layer1.0.conv1.weight']
        assert torch.equal(now, weight) == (name == 'linear')


@pytest.mark.parametrize('path', [
    pytest.param(path, id=path.name, marks=[pytest.mark.slow] * (
        '224' in path.name))
    for path in sorted(CONFIGS.glob('mm*/*_folder*.py'))])
def test_the_ready_files_load_a_folder(path, images):
    """Without it views could have the size of the inherited file."""
    config = Config.fromfile(path)
    if config.default_scope not in INSTALLED:
        pytest.skip(f'needs {config.default_scope}')
    size = int(path.name.split('_folder')[1].split('_')[0])
    config.train_dataloader.dataset.data_root = str(images)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        assert len(dataset) == 81  # with large.png
        assert dataset[0]['inputs'][0].shape == (3, size, size)
    batch = config.train_dataloader.batch_size
    assert config.model.queue_len % batch == 0
    assert config.optim_wrapper.optimizer.lr == 0.03 * batch / 256
    assert shlex.quote(path.name) in path.read_text()

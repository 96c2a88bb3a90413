"""The stock benchmarks, run as their commands do on a pre-trained model."""
import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from libraries import INSTALLED, needs_mmselfsup
from mmengine.config import Config
from mmengine.registry import EVALUATOR, MODELS, init_default_scope
from mmengine.structures import LabelData
from sklearn.metrics import top_k_accuracy_score
from small_run import CONFIGS, build_model

import interclr_plugin.evaluation.multi_head_evaluator  # noqa: F401
from interclr_plugin.checkpoints import publish
from interclr_plugin.evaluation import evaluate
from interclr_plugin.upstream.tools import stock_tool

BENCHMARKS = CONFIGS / 'benchmarks'
FILES = sorted(BENCHMARKS.glob('**/*.py'))
STOCK = Path(stock_tool('mmselfsup', 'train') or './-/train.py').parents[1]
PRETRAINING = 'interclr-moco_resnet18_1xb64-coslr-50e_digits_{}.py'
# What `mim train` runs.
TRAIN = dict(
    mmselfsup=stock_tool('mmcls', 'train'),
    mmpretrain=stock_tool('mmpretrain', 'train'))
CHECKPOINT = 'model.backbone.init_cfg.checkpoint'
pytestmark = pytest.mark.slow


@pytest.fixture
def scope(one_scope):
    return one_scope


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a tool of a library with its arguments."""
    # It sets these variables for good.
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.chdir(tmp_path)

    def run(tool, *arguments):
        monkeypatch.setattr('sys.argv', list(map(str, [tool, *arguments])))
        runpy.run_path(str(tool), run_name='__main__')

    return run


def published(model, path, prefix=''):
    """A checkpoint of a model that was not trained, as the command makes."""
    generator = torch.Generator().manual_seed(1)
    weights = {}
    for name, value in model.state_dict().items():
        # As if trained: batch norm that does nothing hides a lost weight.
        if name.endswith(('running_mean', 'bias')):
            value.normal_(0, 0.1, generator=generator)
        weights[prefix + name] = value
    torch.save(dict(state_dict=weights), path.with_name('whole.pth'))
    publish(str(path.with_name('whole.pth')), str(path), backbone=bool(prefix))
    return path


@pytest.fixture
def checkpoint(scope, tmp_path):
    config = Config.fromfile(CONFIGS / scope / PRETRAINING.format(scope))
    return published(build_model(config, scope), tmp_path / 'published.pth')


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_file_names_itself_and_what_is_there(path):
    """Without it a file's command, or its stock recipe, could be missing."""
    text = path.read_text()
    command, text = text.split('\n_base_ = ' if '\n_base_' in text else '\n\n',
                               1)
    assert f'configs/{path.relative_to(CONFIGS)}' in command
    if text.startswith("'mmselfsup::") and 'mmselfsup' in INSTALLED:
        stock = text.split("'")[1].partition('::')[2]
        assert (STOCK / 'configs' / stock).is_file()


@pytest.mark.parametrize(
    'path', [path for path in FILES if path.parent.name in ('mmdet', 'mmseg')],
    ids=lambda path: path.stem)
def test_a_transfer_loads_the_backbone(path):
    """Without it detection or segmentation could start from other weights."""
    library = path.parent.name
    if importlib.util.find_spec(library) is None:
        pytest.skip(f'{library} is not installed')
    config = Config.fromfile(path, import_custom_modules=False)
    assert config.default_scope == library
    assert config.model.get('pretrained') is None
    backbone = config.model.backbone
    assert backbone.type == 'ResNet' and backbone.style == 'pytorch'
    assert backbone.init_cfg == dict(
        type='Pretrained', checkpoint='', prefix='backbone.')


def test_a_published_backbone_is_torchvision_s(scope, tmp_path):
    """Without it torchvision, timm and all that share its names (mmdetection,
    mmsegmentation, detectron2 converters) would read other weights."""
    config = Config.fromfile(
        CONFIGS / scope /
        f'interclr-moco_resnet50_8xb32-coslr-200e_in1k_{scope}.py')
    init_default_scope(scope)
    ours = MODELS.build(config.model.backbone)
    path = published(ours, tmp_path / 'backbone.pth', 'backbone.')
    weights = torch.load(path, weights_only=True)['state_dict']
    theirs = torchvision.models.resnet50()
    result = theirs.load_state_dict(weights, strict=False)
    assert result.missing_keys == ['fc.weight', 'fc.bias']
    assert not result.unexpected_keys
    ours.eval()
    theirs.eval()
    theirs.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = ours(images)[-1].mean((2, 3))
        torch.testing.assert_close(theirs(images), expected)


def small(*more):
    return [
        '--cfg-options', 'train_cfg.max_epochs=1',
        'train_dataloader.dataset.indices=64',
        'val_dataloader.dataset.indices=50', *more
    ]


@pytest.mark.parametrize('kind', [
    'linear',
    pytest.param('finetune', marks=pytest.mark.matrix),
])
def test_classification(kind, checkpoint, scope, run, tmp_path):
    """Without it a benchmark could train on random weights, or on weights
    that it should not touch."""
    name = f'resnet18_{kind}-1xb64-steplr-20e_digits_{scope}'
    run(TRAIN[scope], BENCHMARKS / scope / f'{name}.py', '--work-dir',
        tmp_path, *small(f'{CHECKPOINT}={checkpoint}',
                         f'experiment_name={kind}_{scope}'))
    before = torch.load(checkpoint, weights_only=True)['state_dict']
    after = torch.load(
        tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    name = 'backbone.layer3.0.conv1.weight'
    moved = (after[name] - before[name]).abs().max()
    if kind == 'linear':
        assert moved == 0
    else:
        assert 0 < moved < before[name].abs().max() / 2
    assert after['head.fc.weight'].shape == (10, 128)


KNN = STOCK / 'tools/benchmarks/classification/knn_imagenet/test_knn.py'
EXTRACT = STOCK / 'tools/benchmarks/classification/svm_voc07/extract.py'


@pytest.fixture
def pretrained(tmp_path):
    config = Config.fromfile(
        CONFIGS / 'mmselfsup' / PRETRAINING.format('mmselfsup'))
    return published(
        build_model(config, 'mmselfsup'), tmp_path / 'published.pth')


@needs_mmselfsup
def test_the_stock_knn_tool_agrees_with_ours(pretrained, run, tmp_path):
    """Without it one of the two could read other weights or images."""
    path = CONFIGS / 'mmselfsup' / PRETRAINING.format('mmselfsup')
    run(KNN, path, '--checkpoint', pretrained, '--num-knn', 20, '--work-dir',
        tmp_path, '--dataset-config',
        BENCHMARKS / 'mmselfsup/knn_digits_mmselfsup.py', '--cfg-options',
        'log_level=INFO')
    log, = tmp_path.glob('knn_*.log')
    top1 = float(log.read_text().split('Top1 - ')[1].split(',')[0])
    assert 30 < top1 < 100
    ours = evaluate(str(path), str(pretrained))
    assert top1 / 100 == pytest.approx(ours['knn'], abs=1.5 / 297)


@needs_mmselfsup
def test_the_stock_extraction(pretrained, run, tmp_path):
    """Without it the SVM benchmarks could not start, or would be given the
    features of other images."""
    path = CONFIGS / 'mmselfsup' / PRETRAINING.format('mmselfsup')
    run(EXTRACT, path, '--checkpoint', pretrained, '--layer-ind', '0,1,2,3,4',
        '--work-dir', tmp_path, '--dataset-config',
        BENCHMARKS / 'mmselfsup/svm_digits_mmselfsup.py', '--cfg-options',
        'log_level=INFO')
    for split, size, image in (('trainval', 1500, 0), ('test', 297, 296)):
        found = [
            np.load(tmp_path / f'features/voc07_{split}_feat{level}.npy')
            for level in range(1, 6)
        ]
        assert [len(level) for level in found] == [size] * 5
        config = Config.fromfile(path)
        dataset = dict(split='test' if split == 'test' else 'train')
        expected = levels_of_image(config, pretrained, dataset, image)
        for level, features in zip(expected, found):
            np.testing.assert_allclose(
                features[image], level, rtol=1e-3, atol=1e-4)


def levels_of_image(config, checkpoint, dataset, image):
    from interclr_plugin.datasets.digits import Digits
    pixels = Digits(**dataset).get_data_info(image)['img']
    pixels = torch.as_tensor(pixels).permute(2, 0, 1)[None]
    backbone = dict(config.model.backbone, out_indices=[0, 1, 2, 3, 4])
    init_default_scope('mmselfsup')
    backbone = MODELS.build(backbone)
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    backbone.load_state_dict({
        name[len('backbone.'):]: value
        for name, value in weights.items() if name.startswith('backbone.')
    })
    backbone.eval()
    with torch.no_grad():
        levels = backbone((pixels - 127.5) / 127.5)
        return [
            torch.nn.functional.adaptive_avg_pool2d(level, size).flatten()
            for level, size in zip(levels, (12, 6, 4, 3, 2))
        ]


def evaluator(*heads):
    return EVALUATOR.build(
        dict(
            type='MultiHeadEvaluator',
            metrics={
                head: dict(type='mmcls.Accuracy', topk=(1, 3))
                for head in heads
            }))


def predictions(scores, labels):
    from mmcls.structures import ClsDataSample
    samples = []
    for index, label in enumerate(labels):
        sample = ClsDataSample().set_gt_label(int(label))
        for head, table in scores.items():
            sample.set_field(
                LabelData(score=torch.as_tensor(table[index])),
                f'{head}_pred_label',
                dtype=LabelData)
        samples.append(sample)
    return samples


@needs_mmselfsup
def test_each_head_is_scored_by_its_own_predictions():
    """Without it all levels would have one level's accuracy."""
    generator = np.random.default_rng(0)
    labels = generator.integers(5, size=40)
    scores = {
        head: generator.random((40, 5)) + share * np.eye(5)[labels]
        for head, share in (('head0', 0), ('head4', 0.5))
    }
    scorer = evaluator('head0', 'head4')
    scorer.dataset_meta = dict(classes='abcde')
    samples = predictions(scores, labels)
    scorer.process(samples[:25])
    scorer.process(samples[25:])
    found = scorer.evaluate(40)
    for head, table in scores.items():
        for k in (1, 3):
            expected = 100 * top_k_accuracy_score(labels, table, k=k)
            assert found[f'{head}/accuracy/top{k}'] == pytest.approx(expected)
    assert scorer.dataset_meta == dict(classes='abcde')
    with pytest.raises(ValueError, match="no head3.*'head4_pred_label'"):
        evaluator('head3').process(samples)
    with pytest.raises(ValueError, match='the name of a head'):
        EVALUATOR.build(
            dict(
                type='MultiHeadEvaluator',
                metrics=dict(type='mmcls.Accuracy')))


@needs_mmselfsup
@pytest.mark.matrix
def test_all_levels_of_a_resnet50(run, tmp_path):
    """Without it features 1 to 5 could not be compared with the paper's."""
    name = 'interclr-moco_resnet50_8xb32-coslr-200e_in1k_mmselfsup'
    config = Config.fromfile(CONFIGS / f'mmselfsup/{name}.py')
    config.model.queue_len = 64
    checkpoint = published(
        build_model(config, 'mmselfsup'), tmp_path / 'published.pth')
    name = 'resnet50_mhead_linear-8xb32-steplr-90e_in1k_mmselfsup'
    config = tmp_path / 'tiny.py'
    lines = [f"_base_ = '{BENCHMARKS}/mmselfsup/{name}.py'"]
    lines += [
        f'{loader}_dataloader = dict(batch_size=8, num_workers=0, '
        "persistent_workers=False, dataset=dict(_delete_=True, type='Digits', "
        "indices=8, pipeline=[dict(type='Resize', scale=224), "
        "dict(type='PackClsInputs')]))" for loader in ('train', 'val')
    ]
    config.write_text('\n'.join(lines))
    run(TRAIN['mmselfsup'], config, '--work-dir', tmp_path, '--cfg-options',
        'train_cfg.max_epochs=1', 'default_hooks.checkpoint.interval=1',
        f'{CHECKPOINT}={checkpoint}')
    scores = next(tmp_path.glob('*/vis_data/scalars.json')).read_text()
    for head in range(5):
        assert f'"head{head}/accuracy/top1"' in scores
    before = torch.load(checkpoint, weights_only=True)['state_dict']
    after = torch.load(
        tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    for name in ('backbone.conv1.weight', 'backbone.layer4.2.conv3.weight'):
        assert torch.equal(after[name], before[name])


@needs_mmselfsup
def test_the_page_s_files_are_there():
    """Without it a documented command could name a file that is not."""
    text = (CONFIGS.parent / 'docs/downstream.md').read_text()
    for name in re.findall(r'configs/(?:benchmarks|mm\w+)/[\w./-]+\.py', text):
        assert (CONFIGS.parent / name).is_file(), name
    for name in re.findall(r'\$STOCK/([\w./-]+\.py)', text):
        stock = STOCK / 'configs/benchmarks/classification' / name
        assert stock.is_file(), name

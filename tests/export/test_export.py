"""Backbones for other libraries, loaded by those libraries' own calls."""
import copy
import json
import re
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from doc_pages import blocks
from libraries import FIRST, INSTALLED
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from small_run import ALGORITHMS, runner_of, small, small_config

from interclr_plugin.__main__ import main
from interclr_plugin.checkpoints import load_state_dict, publish
from interclr_plugin.export import TARGETS, export, names

NEEDED = dict(
    torchvision=(),
    timm=('timm', 'safetensors'),
    huggingface=('transformers', 'safetensors'),
    onnx=('onnx', 'onnxruntime'))
# Of ResNet-18 in full width, which torchvision and timm have alone.
FULL = dict(
    model__backbone__base_channels=64,
    model__backbone__stem_channels=64,
    model__neck__in_channels=512)


def installed(targets):
    """Those whose libraries are there."""
    found = [
        target for target in targets if all(map(find_spec, NEEDED[target]))
    ]
    if not found:
        pytest.skip('none of the libraries is installed')
    return found


def needs(target):
    installed([target])


def stock_backbone(config, checkpoint):
    """The stock class with the checkpoint's weights."""
    with DefaultScope.overwrite_default_scope(config.default_scope):
        backbone = MODELS.build(copy.deepcopy(config.model.backbone))
    weights = load_state_dict(str(checkpoint))
    backbone.load_state_dict({
        name[len('backbone.'):]: value
        for name, value in weights.items() if name.startswith('backbone.')
    })
    backbone.eval()  # which returns nothing in a stock ResNet
    return backbone


def picture():
    """Colours that differ, of the size that the shorter edge is resized to:
    libraries round differently when they resize."""
    pixels = np.random.default_rng(0).integers(
        256, size=(37, 37, 3), dtype=np.uint8)
    pixels[..., 1] //= 2
    pixels[..., 2] //= 4
    return Image.fromarray(pixels)


def by_the_card(folder, image, monkeypatch):
    """Features by the lines that the export's own page has."""
    monkeypatch.chdir(folder)
    lines, = blocks((folder / 'README.md').read_text(), 'python')
    scope = dict(image=image)
    with torch.no_grad():
        exec(compile(lines, 'README.md', 'exec'), scope)
    return torch.as_tensor(scope['features'])


def normalised(image, mean, std):
    """The central 32 x 32 pixels as the network takes them."""
    pixels = torch.as_tensor(np.array(image)[2:34, 2:34]).float()
    pixels = (pixels - torch.tensor(mean)) / torch.tensor(std)
    return pixels.permute(2, 0, 1)[None]


@pytest.mark.slow
@pytest.mark.parametrize('library', INSTALLED)
@pytest.mark.parametrize('kind', ['resnet', 'vit'])
def test_a_trained_backbone_gives_the_same_features(library, kind, tmp_path,
                                                    monkeypatch):
    """Without it a library could load other weights, mix up queries, keys and
    values, or be told of another preprocessing."""
    work_dir = tmp_path / 'run'
    if kind == 'resnet':
        targets = installed(TARGETS)
        config = small_config(library, work_dir, **FULL)
    else:
        targets = installed(['timm', 'huggingface', 'onnx'])
        config = small(ALGORITHMS[f'{library}-interclr-mocov3'], work_dir)
    runner_of(config).train()
    backbone = stock_backbone(config, work_dir / 'epoch_1.pth')
    with torch.no_grad():
        expected = backbone(normalised(picture(), [127.5] * 3, [127.5] * 3))
    while not isinstance(expected, torch.Tensor):
        expected = expected[-1]  # the last level, or the class token
    if kind == 'resnet':
        expected = expected.mean((2, 3))
    for target in targets:
        out = tmp_path / f'to_{target}'
        done = export(str(work_dir), str(out), to=target)
        found = by_the_card(out, picture(), monkeypatch)
        torch.testing.assert_close(
            found, expected, atol=1e-5, rtol=1e-4, msg=target)
        assert done.width == expected.shape[1] == found.shape[1]
        assert done.difference < 1e-4 * done.largest


# Backbones that were not trained.


def random_files(folder, backbone, scope=FIRST, **normalise):
    """A configuration that reads image files, and random weights for it."""
    config = small_config(scope, None)
    config.custom_imports = dict(imports=['interclr_plugin'])
    config.model.backbone = backbone
    config.model.data_preprocessor.update(normalise)
    config.train_dataloader.dataset.pipeline.insert(
        0, dict(type='LoadImageFromFile'))
    config.dump(str(folder / 'config.py'))
    with DefaultScope.overwrite_default_scope(scope):
        torch.manual_seed(0)
        model = MODELS.build(copy.deepcopy(config.model.backbone))
    for name, value in model.state_dict().items():
        # Batch norm that does nothing hides a lost weight.
        if name.endswith(('running_mean', 'bias', 'cls_token', 'pos_embed')):
            value.normal_(0, 0.1)
    weights = {
        f'backbone.{name}': value
        for name, value in model.state_dict().items()
    }
    torch.save(dict(state_dict=weights), folder / 'weights.pth')
    model.eval()
    return model


def resnet(**options):
    return dict(
        dict(type='ResNet', depth=18, base_channels=4, stem_channels=8),
        **options)


@pytest.mark.parametrize('scope, turned, depth', [
    *((scope, turned, 18) for scope in INSTALLED for turned in (True, False)),
    (FIRST, False, 50),
])
@pytest.mark.parametrize('target', ['huggingface', 'onnx'])
def test_colours_stay_in_their_places(scope, turned, depth, target, tmp_path,
                                      monkeypatch):
    """Without it a network trained on blue, green, red, as mmcv reads files,
    would be fed red, green, blue.

    Also in any width, and with bottlenecks.
    """
    needs(target)
    turn = dict(mmselfsup='bgr_to_rgb', mmpretrain='to_rgb')[scope]
    mean, std = [100., 50., 30.], [70., 40., 20.]
    model = random_files(
        tmp_path, resnet(depth=depth), scope, mean=mean, std=std,
        **{turn: turned})
    export(
        str(tmp_path / 'weights.pth'),
        str(tmp_path / 'out'),
        to=target,
        config=str(tmp_path / 'config.py'))
    seen = picture()
    if not turned:  # the network's first channel is blue
        seen = np.array(seen)[..., ::-1].copy()
    with torch.no_grad():
        expected = model(normalised(seen, mean, std))[-1].mean((2, 3))
    found = by_the_card(tmp_path / 'out', picture(), monkeypatch)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_the_preprocessing_is_in_the_model(tmp_path):
    """Without it an ONNX file alone would not say what it takes."""
    needs('onnx')
    import onnx
    random_files(tmp_path, resnet(), mean=[51.] * 3, std=[255.] * 3)
    # Of two sets, of which both give the view.
    config = Config.fromfile(tmp_path / 'config.py')
    part = config.train_dataloader.pop('dataset')
    config.train_dataloader.dataset = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(type='ConcatDataset', datasets=[part, part]))
    config.dump(str(tmp_path / 'config.py'))
    export(
        str(tmp_path / 'weights.pth'),
        str(tmp_path / 'out'),
        to='onnx',
        config=str(tmp_path / 'config.py'))
    model = onnx.load(str(tmp_path / 'out/model.onnx'))
    said = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert said == dict(size=32, resize=37, mean=[0.2] * 3, std=[1.0] * 3)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == 'batch'


def test_each_kind_of_file_is_taken(tmp_path):
    """Without it only one of a training's files could be handed on."""
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    random_files(work_dir, resnet(base_channels=64, stem_channels=64))
    checkpoint, config = work_dir / 'epoch_1.pth', str(work_dir / 'config.py')
    (work_dir / 'weights.pth').rename(checkpoint)
    publish(str(checkpoint), str(tmp_path / 'published.pth'))
    publish(str(checkpoint), str(tmp_path / 'backbone.pth'), backbone=True)
    whole = load_state_dict(str(checkpoint))
    for number, (source, named) in enumerate([
            (work_dir, None), (checkpoint, None),
            (tmp_path / 'published.pth', config),
            (tmp_path / 'backbone.pth', config)]):
        out = tmp_path / f'out{number}'
        export(str(source), str(out), to='torchvision', config=named)
        weights = torch.load(out / 'model.pth', weights_only=True)
        assert len(weights) == len(whole)
        turned = weights.pop('conv1.weight')
        # Its images are read as blue, green, red.
        assert torch.equal(turned, whole['backbone.conv1.weight'].flip(1))
        for name, value in weights.items():
            assert torch.equal(value, whole[f'backbone.{name}']), name
    with pytest.raises(FileNotFoundError, match='with --config'):
        export(
            str(tmp_path / 'backbone.pth'),
            str(tmp_path / 'more'),
            to='torchvision')


VIT = dict(
    type='VisionTransformer',
    arch=dict(
        embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64),
    img_size=32,
    patch_size=8)


@pytest.mark.parametrize('backbone, target, said', [
    (dict(type='ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
     'timm', "type='ResNet_CIFAR' .*stem for small images.*--to onnx"),
    (dict(
        type='ConvNeXt', arch=dict(depths=[1] * 4, channels=[8] * 4)),
     'huggingface', "type='ConvNeXt' has no counterpart.*--to onnx"),
    (resnet(deep_stem=True), 'huggingface', 'deep_stem=True .*--to onnx'),
    (resnet(avg_down=True), 'huggingface', 'avg_down=True .*--to onnx'),
    (resnet(depth=50, style='caffe'), 'timm', "style='caffe' .*'pytorch'"),
    (resnet(strides=(1, 2, 2, 1)), 'timm', r'strides=\(1, 2, 2, 1\)'),
    (resnet(norm_cfg=dict(type='GN', num_groups=2)), 'timm', "type='GN'"),
    (resnet(), 'torchvision', 'stem_channels=8 .*--to huggingface'),
    (resnet(stem_channels=64), 'timm', 'base_channels=4 .*--to huggingface'),
    (resnet(out_indices=(2, )), 'huggingface', 'out_indices leaves out'),
    (VIT, 'torchvision', 'vision transformers.*--to timm'),
    (dict(VIT, img_size=64), 'timm', r'img_size=\(64, 64\)'),
    (dict(VIT, norm_cfg=dict(type='LN', eps=1e-3)), 'timm',
     'norm_cfg.eps=0.001'),
    (dict(VIT, final_norm=False), 'huggingface', 'final_norm=False'),
    (dict(VIT, pre_norm=True), 'timm', 'pre_norm=True'),
    (dict(VIT, out_type='avg_featmap'), 'timm', "out_type='avg_featmap'"),
    (dict(VIT, layer_scale_init_value=0.1), 'huggingface',
     'backbone.layers.0.attn.gamma1.weight has no counterpart'),
])
def test_what_has_no_counterpart_is_named(backbone, target, said, tmp_path):
    """Without it another network would be handed on under the same name, or
    the error would name a weight of the other library."""
    needs(target)
    random_files(tmp_path, backbone, 'mmpretrain')
    words = ['export', str(tmp_path / 'weights.pth'), str(tmp_path / 'out'),
             '--to', target, '--config', str(tmp_path / 'config.py')]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert re.match(f'error: .*{said}', left.value.code), left.value.code
    assert {path.name for path in tmp_path.iterdir()} == {
        'weights.pth', 'config.py'
    }


@pytest.mark.parametrize('backbone', [
    dict(type='ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
    resnet(deep_stem=True, avg_down=True, style='caffe', out_indices=(1, )),
    dict(VIT, out_type='avg_featmap', layer_scale_init_value=0.1),
    dict(type='ConvNeXt', arch=dict(depths=[1] * 4, channels=[8] * 4)),
], ids=lambda backbone: backbone['type'])
def test_onnx_takes_others(backbone, tmp_path, capsys):
    """Without it the errors above would send users to a dead end.

    The command compares more images than the export was traced with.
    """
    needs('onnx')
    random_files(tmp_path, backbone, 'mmpretrain')
    main(['export', str(tmp_path / 'weights.pth'), str(tmp_path / 'out'),
          '--to', 'onnx', '--config', str(tmp_path / 'config.py')])
    said = capsys.readouterr().out
    difference = float(re.search(r'largest difference (\S+)', said)[1])
    assert difference < 1e-4


def test_a_batch_of_one_size_is_not_kept(tmp_path):
    """Without it a file could go out that fails for other batches."""
    needs('onnx')
    swin = dict(
        type='SwinTransformer',
        arch=dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4),
        img_size=32,
        patch_size=2,
        window_size=4,
        pad_small_map=True)
    random_files(tmp_path, swin, 'mmpretrain')
    with pytest.raises(ValueError, match='as Swin does'):
        export(
            str(tmp_path / 'weights.pth'),
            str(tmp_path / 'out'),
            to='onnx',
            config=str(tmp_path / 'config.py'))


def test_an_export_that_differs_is_not_kept(tmp_path, monkeypatch):
    """Without it a wrong name in the table would go out as a success."""
    needs('huggingface')
    random_files(tmp_path, dict(VIT), 'mmpretrain')
    wrong = dict(names.VIT_TRANSFORMERS)
    wrong['layers.#.attn.qkv'] = wrong['layers.#.attn.qkv'][::-1]
    monkeypatch.setattr('interclr_plugin.export.to_huggingface.'
                        'VIT_TRANSFORMERS', wrong)
    before = set(tmp_path.iterdir())
    with pytest.raises(ValueError, match='gives other features, by up to'):
        export(
            str(tmp_path / 'weights.pth'),
            str(tmp_path / 'out'),
            to='huggingface',
            config=str(tmp_path / 'config.py'))
    assert set(tmp_path.iterdir()) == before


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    """Without it a user without the extra would see a traceback."""
    monkeypatch.delitem(
        sys.modules, 'interclr_plugin.export.to_timm', raising=False)
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(SystemExit, match=r"timm needs timm.*'\.\[export\]'"):
        main(['export', 'a.pth', str(tmp_path / 'out'), '--to', 'timm'])


def test_nothing_is_written_over(tmp_path):
    """Without it an export could mix with what was there."""
    with pytest.raises(SystemExit, match='is there already'):
        main(['export', 'a.pth', str(tmp_path), '--to', 'torchvision'])
    with pytest.raises(SystemExit, match='there is no a.pth'):
        main(['export', 'a.pth', str(tmp_path / 'b'), '--to', 'torchvision'])
    assert not list(tmp_path.iterdir())


def test_a_configuration_of_something_else_is_named(tmp_path):
    """Without it a traceback would end what a slip began."""
    (tmp_path / 'a.pth').touch()
    for text, said in (('model = 1', 'has no train_dataloader'),
                       ("_base_ = 'nobody::a/b.py'", 'c.py: .*nobody config')):
        (tmp_path / 'c.py').write_text(text)
        with pytest.raises(SystemExit, match=f'error: .*{said}'):
            main(['export', str(tmp_path / 'a.pth'), str(tmp_path / 'out'),
                  '--to', 'torchvision', '--config', str(tmp_path / 'c.py')])

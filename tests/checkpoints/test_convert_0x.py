"""Checkpoints of mmselfsup 0.x in both libraries of today."""
import pytest
import torch
from libraries import FIRST
from mmengine.registry import MODELS
from small_run import build_model, runner_of, small_config

from interclr_plugin.__main__ import main
from interclr_plugin.checkpoints.convert_0x import convert_0x, rename


@pytest.fixture
def scope(one_scope):
    return one_scope


@pytest.fixture
def config(scope, tmp_path):
    return small_config(scope, tmp_path)


def weights_of_0x(config, scope, own_neck=False):
    """What 0.x would have saved: the names, and twice what it named twice."""
    stock = config.copy()
    stock.model = {
        name: value
        for name, value in config.model.items()
        if name not in ('inter_image', 'algorithm')
    }
    stock.model['type'] = 'MoCo'
    torch.manual_seed(3)
    encoders = [build_model(stock, scope) for _ in range(2)]
    old = dict(queue=torch.randn(8, 64), queue_ptr=torch.tensor([16]))
    for letter, encoder in zip('qk', encoders):
        for number, part in enumerate((encoder.backbone, encoder.neck)):
            for name, value in part.state_dict().items():
                value = torch.rand_like(value.float()).to(value.dtype)
                old[f'encoder_{letter}.{number}.{name}'] = value
                if letter == 'q':
                    old[f'{("backbone", "neck")[number]}.{name}'] = value
        if own_neck:
            for name, value in encoder.neck.state_dict().items():
                old[f'inter_neck_{letter}.{name}'] = torch.rand_like(value)
    return old


@pytest.fixture
def old(config, scope):
    return weights_of_0x(config, scope)


@pytest.fixture
def converted(old, tmp_path):
    torch.save(
        dict(meta={}, state_dict=old, optimizer={}), tmp_path / 'old.pth')
    convert_0x(str(tmp_path / 'old.pth'), str(tmp_path / 'new.pth'))
    return str(tmp_path / 'new.pth')


@pytest.mark.parametrize('algorithm', ['moco', 'interclr-moco'])
def test_the_model_computes_what_the_old_one_did(converted, old, scope,
                                                 algorithm, tmp_path):
    """Without it a weight of 0.x could be lost, or land in another place."""
    config = small_config(scope, tmp_path, algorithm)
    model = build_model(config, scope)
    new = torch.load(converted, weights_only=True)['state_dict']
    result = model.load_state_dict(new, strict=False)
    assert not result.unexpected_keys
    assert all(
        name.startswith('inter_image.') for name in result.missing_keys)
    if algorithm == 'moco':
        assert not result.missing_keys
    assert torch.equal(model.queue, old['queue'])
    assert model.queue_ptr == 16
    # The parts alone, filled by their own names, are the reference.
    images = torch.randn(2, 3, 32, 32)
    for letter, encoder in (('q', [model.backbone, model.neck]),
                            ('k', list(model.encoder_k.module))):
        expected = images
        for number, part in enumerate(('backbone', 'neck')):
            module = MODELS.build(config.model[part])
            module.eval()
            prefix = f'encoder_{letter}.{number}.'
            module.load_state_dict({
                name[len(prefix):]: value
                for name, value in old.items() if name.startswith(prefix)
            })
            expected = module(expected)
            encoder[number].eval()
        found = encoder[1](encoder[0](images))
        assert torch.equal(found[0], expected[0])


def test_every_weight_is_accounted_for(old):
    """Without it a name could be dropped in silence."""
    new = rename(old)
    aliases = [
        name for name in old if name.startswith(('backbone.', 'neck.'))
    ]
    # One more: how often the momentum encoder was updated.
    assert len(new) == len(old) - len(aliases) + 1
    assert rename({
        name: value
        for name, value in old.items() if name not in aliases
    }).keys() == new.keys()


def test_the_benchmarks_way_of_loading(converted, old, config, scope):
    """Without it a downstream benchmark would start from random weights."""
    backbone = dict(
        config.model.backbone,
        init_cfg=dict(
            type='Pretrained', checkpoint=converted, prefix='backbone.'))
    backbone = MODELS.build(backbone)
    backbone.init_weights()
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, old[f'encoder_q.0.{name}'])


def test_training_goes_on_from_the_momentum_encoder(converted, old, config):
    """Without it the first step would throw that encoder away."""
    config.load_from = converted
    config.optim_wrapper.optimizer.lr = 1e-8
    runner = runner_of(config)
    runner.train()
    found = runner.model.encoder_k.module[0].conv1.weight
    before = old['encoder_k.0.conv1.weight']
    query = old['encoder_q.0.conv1.weight']
    # 6 steps of weight 0.01.
    torch.testing.assert_close(found, query + (before - query) * 0.99**6)


def test_a_neck_of_the_branch_s_own(config, scope):
    """Without it a checkpoint of share_neck=False could not be converted."""
    old = weights_of_0x(config, scope, own_neck=True)
    new = rename(old)
    config.model.inter_image.neck = config.model.neck
    model = build_model(config, scope)
    result = model.load_state_dict(new, strict=False)
    assert not result.unexpected_keys
    assert not any('neck' in name for name in result.missing_keys)
    assert torch.equal(model.inter_neck.mlp[0].weight,
                       old['inter_neck_q.mlp.0.weight'])


def changed(old, name):
    return {**old, name: old[name] + 1}


def without(old, *starts):
    return {
        name: value
        for name, value in old.items() if not name.startswith(starts)
    }


@pytest.mark.parametrize('change, said', [
    (lambda old: without(old, 'queue'), 'queue'),
    (lambda old: without(old, 'encoder_k.'), 'encoder_k.0.'),
    (lambda old: without(old, 'encoder_k.1.mlp.0.bias'),
     'encoder_k.1.mlp.0.bias'),
    (lambda old: without(old, 'encoder_q.'), 'of 1.x needs no conversion'),
    (lambda old: {**old, 'decoder.weight': torch.ones(1)}, 'decoder.weight'),
    (lambda old: changed(old, 'backbone.conv1.weight'),
     'encoder_q.0.conv1.weight are one weight'),
    (lambda old: changed(old, 'neck.mlp.0.weight'),
     'encoder_q.1.mlp.0.weight are one weight'),
])
def test_another_layout_is_named(old, change, said):
    """Without it half of a model could be random after a conversion."""
    with pytest.raises(ValueError, match=said.replace('.', r'\.')):
        rename(change(old))


def test_the_command(tmp_path, capsys):
    """Without it the documented line could fail, or write over a file."""
    config = small_config(FIRST, tmp_path)
    old = weights_of_0x(config, FIRST)
    source, target = tmp_path / 'old.pth', tmp_path / 'new.pth'
    words = ['convert', str(source), str(target)]
    torch.save(dict(state_dict=without(old, 'queue')), source)
    with pytest.raises(SystemExit, match='old.pth: 2 weights are missing'):
        main(words)
    assert not target.exists()
    torch.save(dict(state_dict=old), source)
    main(words)
    assert 'SHA-256' in capsys.readouterr().out
    first = target.read_bytes()
    with pytest.raises(SystemExit, match='is there already'):
        main(words)
    assert target.read_bytes() == first

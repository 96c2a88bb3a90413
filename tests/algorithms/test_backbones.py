"""Any stock backbone under InterCLR."""
import copy

import pytest
import torch
from small_run import runner_of, small_config

# Small variants; the widths of their outputs go into the neck.
BACKBONES = {
    'ResNeXt': (dict(
        type='ResNeXt',
        depth=50,
        groups=4,
        width_per_group=4,
        stem_channels=8,
        base_channels=8,
        norm_cfg=dict(type='BN')), 256),
    'ViT': (dict(
        type='VisionTransformer',
        arch=dict(
            embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64),
        img_size=32,
        patch_size=8), 32),
    'Swin': (dict(
        type='SwinTransformer',
        arch=dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4),
        img_size=32,
        patch_size=2,
        window_size=4,
        pad_small_map=True), 64),
    'ConvNeXt': (dict(
        type='ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[8] * 4),
        out_indices=[3]), 8),
}


@pytest.mark.parametrize('name', BACKBONES)
def test_a_backbone_trains(scope, name, tmp_path):
    """Without it the branch could rest on something that only a ResNet's
    output has."""
    settings, width = copy.deepcopy(BACKBONES[name])
    pooled = name in ('ViT', 'ConvNeXt')
    # mmselfsup has a ResNeXt of its own and takes the others from mmcls.
    if scope == 'mmselfsup' and name != 'ResNeXt':
        settings['type'] = 'mmcls.' + settings['type']
        if name == 'ViT':  # as a map: its pair with the token has no neck
            settings['output_cls_token'] = False
            pooled = False
    config = small_config(scope, tmp_path)
    # In place of the ResNet, whose settings would be merged otherwise.
    config.model.backbone = settings
    config.model.neck.in_channels = width
    config.model.neck.with_avg_pool = not pooled
    runner = runner_of(config)
    before = {
        key: value.clone()
        for key, value in runner.model.backbone.state_dict().items()
    }
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert scalars['train/inter_loss'].current() > 0
    assert torch.isfinite(torch.tensor(scalars['train/loss'].current()))
    assert runner.model.inter_image.bank.random.step == 6
    after = runner.model.backbone.state_dict()
    assert any(not torch.equal(value, after[key])
               for key, value in before.items())

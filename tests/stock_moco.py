"""A small stock MoCo on digits, and a checkpoint of it."""
import copy

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.registry import MODELS, DefaultScope
from torch import nn


def moco(scope, **backbone):
    """A small stock MoCo on digits, 300 to train and 100 to test."""
    settings = dict(
        type='ResNet', depth=18, base_channels=4, stem_channels=4)
    settings.update(backbone)
    crop = dict(mmselfsup=dict(size=32), mmpretrain=dict(scale=32))[scope]
    pack = dict(mmselfsup='PackSelfSupInputs', mmpretrain='PackInputs')[scope]
    loss = dict(
        mmselfsup='mmcls.CrossEntropyLoss', mmpretrain='CrossEntropyLoss')
    normalise = dict(mean=[100.] * 3, std=[50.] * 3)
    if scope == 'mmpretrain':
        normalise['type'] = 'SelfSupDataPreprocessor'
        settings.setdefault('zero_init_residual', False)
    view = [dict(type='RandomResizedCrop', **crop)]
    config = dict(
        default_scope=scope,
        model=dict(
            type='MoCo',
            queue_len=64,
            feat_dim=8,
            momentum=0.01,
            backbone=settings,
            neck=dict(
                type='MoCoV2Neck',
                in_channels=32,
                hid_channels=8,
                out_channels=8),
            head=dict(
                type='ContrastiveHead',
                loss=dict(type=loss[scope]),
                temperature=0.2)),
        train_dataloader=dict(
            dataset=dict(
                type='Digits',
                indices=300,
                pipeline=[
                    dict(type='MultiView', num_views=2, transforms=[view]),
                    dict(type=pack)
                ])),
        evaluation=dict(test=dict(split='test', indices=100)))
    # Either place is allowed.
    place = config['model'] if scope == 'mmselfsup' else config
    place['data_preprocessor'] = normalise
    return Config(config)


def save_like_mmengine(path, state):
    """A checkpoint with what else mmengine stores, and an InterCLR bank."""
    hub = MessageHub.get_instance('test_evaluation')
    hub.update_scalar('train/loss', np.float64(1.5))
    hub.update_info('epoch', 3)
    state = dict(state)
    state['inter_image.bank.features'] = torch.zeros(300, 8)
    state['inter_image.bank.labels'] = torch.arange(300) % 7
    torch.save(
        dict(
            meta=dict(epoch=3, seed=0, experiment_name='test'),
            state_dict=state,
            message_hub=hub.state_dict()), path)
    assert isinstance(hub.state_dict()['log_scalars']['train/loss'],
                      HistoryBuffer)
    return str(path)


def trained(scope, path):
    """A stock model of unusual weights, and its checkpoint."""
    config = moco(scope)
    with DefaultScope.overwrite_default_scope(scope):
        model_config = copy.deepcopy(config.model)
        model_config.setdefault(
            'data_preprocessor', copy.deepcopy(config.get(
                'data_preprocessor')))
        torch.manual_seed(7)
        model = MODELS.build(model_config)
        model.init_weights()
        # As after training, batch norm has seen the data.
        for module in model.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
    return model, save_like_mmengine(path, model.state_dict())

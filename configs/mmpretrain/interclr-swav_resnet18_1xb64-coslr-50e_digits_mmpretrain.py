# InterCLR-SwAV on scikit-learn's digits.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-swav_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/interclr_swav_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for SwAV alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='SwAV',
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        norm_cfg=dict(type='BN'),
        zero_init_residual=False),
    neck=dict(
        type='SwAVNeck',
        in_channels=128,
        hid_channels=128,
        out_channels=64,
        with_avg_pool=True),
    head=dict(
        type='SwAVHead',
        loss=dict(
            type='SwAVLoss',
            feat_dim=64,
            num_prototypes=100,
            epsilon=0.05,
            temperature=0.1,
            num_crops=[2])))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(
        type='SwAVHook',
        priority='VERY_HIGH',
        batch_size=64,
        feat_dim=64,
        frozen_layers_cfg=dict(prototypes=23)),
]

# InterCLR-Barlow Twins on scikit-learn's digits.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-barlowtwins_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/interclr_barlowtwins_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for Barlow Twins alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='BarlowTwins',
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        norm_cfg=dict(type='BN'),
        zero_init_residual=False),
    neck=dict(
        type='NonLinearNeck',
        in_channels=128,
        hid_channels=256,
        out_channels=256,
        num_layers=3,
        with_last_bn=False,
        with_last_bn_affine=False,
        with_avg_pool=True),
    head=dict(
        type='LatentCrossCorrelationHead',
        in_channels=256,
        loss=dict(type='CrossCorrelationLoss')))

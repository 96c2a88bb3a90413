# InterCLR-SimCLR on scikit-learn's digits.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-simclr_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/interclr_simclr_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for SimCLR alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='SimCLR',
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
        hid_channels=128,
        out_channels=64,
        num_layers=2,
        with_avg_pool=True),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='CrossEntropyLoss'),
        temperature=0.2))

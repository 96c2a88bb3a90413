# MoCo v2 on scikit-learn's digits: the baseline of
# interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py.
#
#   mim train mmselfsup \
#       configs/mmselfsup/moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/moco_digits --gpus 0
#
# About 3 minutes on one CPU core. kNN 0.907, linear 0.922: mean of 5 seeds, each
# within about 0.02.
_base_ = '_base_/digits.py'

model = dict(
    type='MoCo',
    queue_len=1024,
    feat_dim=64,
    momentum=0.99,
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        out_indices=[4],
        norm_cfg=dict(type='BN')),
    neck=dict(
        type='MoCoV2Neck', in_channels=128, hid_channels=128, out_channels=64),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.2))
custom_hooks = [dict(type='ExactResumeHook')]

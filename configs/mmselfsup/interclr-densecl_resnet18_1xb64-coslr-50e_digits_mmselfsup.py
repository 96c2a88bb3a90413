# InterCLR-DenseCL on scikit-learn's digits.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-densecl_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/interclr_densecl_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for DenseCL alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='DenseCL',
    queue_len=1024,
    feat_dim=64,
    momentum=0.99,
    loss_lambda=0.5,
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        out_indices=[4],
        norm_cfg=dict(type='BN')),
    neck=dict(
        type='DenseCLNeck',
        in_channels=128,
        hid_channels=128,
        out_channels=64,
        num_grid=None),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.2))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='DenseCLHook', start_iters=100),
]

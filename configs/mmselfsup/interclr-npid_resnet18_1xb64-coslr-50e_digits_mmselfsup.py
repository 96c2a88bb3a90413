# InterCLR-NPID on scikit-learn's digits.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-npid_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/interclr_npid_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for NPID alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='NPID',
    neg_num=256,
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        out_indices=[4],
        norm_cfg=dict(type='BN')),
    neck=dict(
        type='LinearNeck',
        in_channels=128,
        out_channels=64,
        with_avg_pool=True),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.07),
    memory_bank=dict(
        type='SimpleMemory', length=1500, feat_dim=64, momentum=0.5))

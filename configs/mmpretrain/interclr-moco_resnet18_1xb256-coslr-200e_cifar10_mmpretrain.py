# InterCLR-MoCo v2 on small images: CIFAR-10 as image files.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-moco_resnet18_1xb256-coslr-200e_cifar10_mmpretrain.py \
#       --work-dir work_dirs/interclr_moco_cifar10 --gpus 1
#
# Add --cfg-options model.inter_weight=0 for MoCo v2 alone. Trained by this
# project for a few steps only: no score to expect yet.
_base_ = '_base_/interclr_cifar10.py'

model = dict(
    algorithm='MoCo',
    queue_len=4096,
    feat_dim=128,
    momentum=0.01,
    neck=dict(
        type='MoCoV2Neck', in_channels=512, hid_channels=512,
        out_channels=128),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='CrossEntropyLoss'),
        temperature=0.2))

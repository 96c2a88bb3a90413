# InterCLR-SimCLR on small images: CIFAR-10 as image files.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-simclr_resnet18_1xb256-coslr-200e_cifar10_mmselfsup.py \
#       --work-dir work_dirs/interclr_simclr_cifar10 --gpus 1
#
# Add --cfg-options model.inter_weight=0 for SimCLR alone. Trained by this
# project for a few steps only: no score to expect yet.
_base_ = '_base_/interclr_cifar10.py'

model = dict(
    algorithm='SimCLR',
    neck=dict(
        type='NonLinearNeck',
        in_channels=512,
        hid_channels=512,
        out_channels=128,
        num_layers=2,
        with_avg_pool=True),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.2))

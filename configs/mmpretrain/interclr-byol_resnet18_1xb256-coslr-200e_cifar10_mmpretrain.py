# InterCLR-BYOL on small images: CIFAR-10 as image files.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-byol_resnet18_1xb256-coslr-200e_cifar10_mmpretrain.py \
#       --work-dir work_dirs/interclr_byol_cifar10 --gpus 1
#
# Add --cfg-options model.inter_weight=0 model.inter_image.neck=None for BYOL
# alone. Trained by this project for a few steps only: no score to expect yet.
_base_ = '_base_/interclr_cifar10.py'

model = dict(
    algorithm='BYOL',
    base_momentum=0.01,
    neck=dict(
        type='NonLinearNeck',
        in_channels=512,
        hid_channels=1024,
        out_channels=128,
        num_layers=2,
        with_bias=True,
        with_last_bn=False,
        with_avg_pool=True),
    # A neck of the branch's own: on digits, sharing BYOL's did harm
    # (benchmarks/README.md).
    inter_image=dict(
        key_view='first',  # as in all measured runs
        neck=dict(
            type='NonLinearNeck',
            in_channels=512,
            hid_channels=1024,
            out_channels=128,
            num_layers=2,
            with_avg_pool=True)),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=128,
            hid_channels=1024,
            out_channels=128,
            num_layers=2,
            with_bias=True,
            with_last_bn=False,
            with_avg_pool=False)))

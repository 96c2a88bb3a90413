# InterCLR-BYOL on scikit-learn's digits.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-byol_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/interclr_byol_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 model.inter_image.neck=None for BYOL
# alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='BYOL',
    base_momentum=0.01,
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
        out_channels=64,
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
            in_channels=128,
            hid_channels=256,
            out_channels=64,
            num_layers=2,
            with_avg_pool=True)),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=64,
            hid_channels=256,
            out_channels=64,
            num_layers=2,
            with_bias=True,
            with_last_bn=False,
            with_avg_pool=False)))

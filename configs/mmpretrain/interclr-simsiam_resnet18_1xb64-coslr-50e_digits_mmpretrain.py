# InterCLR-SimSiam on scikit-learn's digits.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-simsiam_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/interclr_simsiam_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for SimSiam alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='SimSiam',
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
        out_channels=128,
        num_layers=3,
        with_last_bn_affine=False,
        with_avg_pool=True),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=128,
            hid_channels=32,
            out_channels=128,
            with_avg_pool=False,
            with_last_bn=False,
            with_last_bias=True)))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    # Only parameter groups marked with fix_lr keep their rate.
    dict(type='SimSiamHook', priority='HIGH', fix_pred_lr=True, lr=0.03),
]

# InterCLR-MoCo v3 (a small ViT) on scikit-learn's digits.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-mocov3_vit_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/interclr_mocov3_digits --gpus 0
#
# Add --cfg-options model.inter_weight=0 for MoCo v3 (a small ViT) alone.
_base_ = '_base_/interclr_digits.py'

model = dict(
    algorithm='MoCoV3',
    base_momentum=0.99,
    backbone=dict(
        type='MoCoV3ViT',
        arch=dict(
            embed_dims=96,
            num_layers=4,
            num_heads=4,
            feedforward_channels=192),
        img_size=32,
        patch_size=8,
        stop_grad_conv1=True),
    neck=dict(
        type='NonLinearNeck',
        in_channels=96,
        hid_channels=256,
        out_channels=64,
        num_layers=3,
        with_bias=False,
        with_last_bn=True,
        with_last_bn_affine=False,
        with_last_bias=False,
        with_avg_pool=False,
        vit_backbone=True),
    head=dict(
        type='MoCoV3Head',
        predictor=dict(
            type='NonLinearNeck',
            in_channels=64,
            hid_channels=256,
            out_channels=64,
            num_layers=2,
            with_bias=False,
            with_last_bn=True,
            with_last_bn_affine=False,
            with_last_bias=False,
            with_avg_pool=False),
        loss=dict(type='mmcls.CrossEntropyLoss', loss_weight=0.4),
        temperature=0.2))

# InterCLR-BYOL on ImageNet: the stock recipe with the branch added.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-byol_resnet50_16xb256-coslr-200e_in1k_mmpretrain.py \
#       --launcher pytorch --gpus 16
#
# Not run by this project, and no figures are published for it.
_base_ = 'mmpretrain::byol/byol_resnet50_16xb256-coslr-200e_in1k.py'

custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)
model = dict(
    type='InterCLR',
    algorithm='BYOL',
    # A neck of the branch's own: on digits, sharing BYOL's did harm
    # (benchmarks/README.md).
    inter_image=dict(
        num_clusters=10000,
        key_view='first',
        neck=dict(
            type='NonLinearNeck',
            in_channels=2048,
            hid_channels=4096,
            out_channels=256,
            num_layers=2,
            with_avg_pool=True)))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='PreemptionHook'),
]

# InterCLR-MoCoV3 on ImageNet: the stock recipe with the branch added.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-mocov3_vit-small-p16_16xb256-amp-coslr-300e_in1k_mmpretrain.py \
#       --launcher pytorch --gpus 16
#
# Not run by this project, and no figures are published for it.
_base_ = 'mmpretrain::mocov3/mocov3_vit-small-p16_16xb256-amp-coslr-300e_in1k.py'

custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)
model = dict(
    type='InterCLR',
    algorithm='MoCoV3',
    inter_image=dict(num_clusters=10000))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='PreemptionHook'),
]

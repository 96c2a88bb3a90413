# InterCLR-SimSiam on ImageNet: the stock recipe with the branch added.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-simsiam_resnet50_8xb32-coslr-100e_in1k_mmpretrain.py \
#       --launcher pytorch --gpus 8
#
# Not run by this project, and no figures are published for it.
_base_ = 'mmpretrain::simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py'

custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)
model = dict(
    type='InterCLR',
    algorithm='SimSiam',
    inter_image=dict(num_clusters=10000))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='PreemptionHook'),
]

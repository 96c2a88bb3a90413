# InterCLR-DenseCL on ImageNet: the stock recipe with the branch added.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-densecl_resnet50_8xb32-coslr-200e_in1k_mmselfsup.py \
#       --launcher pytorch --gpus 8
#
# Not run by this project, and no figures are published for it.
_base_ = 'mmselfsup::selfsup/densecl/densecl_resnet50_8xb32-coslr-200e_in1k.py'

custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)
model = dict(
    type='InterCLR',
    algorithm='DenseCL',
    inter_image=dict(num_clusters=10000))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='PreemptionHook'),
]

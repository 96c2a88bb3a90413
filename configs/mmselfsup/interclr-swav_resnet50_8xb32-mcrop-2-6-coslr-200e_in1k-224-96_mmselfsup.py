# InterCLR-SwAV on ImageNet: the stock recipe with the branch added.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-swav_resnet50_8xb32-mcrop-2-6-coslr-200e_in1k-224-96_mmselfsup.py \
#       --launcher pytorch --gpus 8
#
# Not run by this project, and no figures are published for it.
_base_ = 'mmselfsup::selfsup/swav/swav_resnet50_8xb32-mcrop-2-6-coslr-200e_in1k-224-96.py'

custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)
model = dict(
    type='InterCLR',
    algorithm='SwAV',
    inter_image=dict(num_clusters=10000))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='PreemptionHook'),
]

# InterCLR-MoCo v2 as released, on ImageNet with 8 GPUs.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-moco_resnet50_8xb32-coslr-200e_in1k_mmpretrain.py \
#       --launcher pytorch --gpus 8
#
# Published for this recipe (not run by this project): VOC07 SVM 85.24, against
# 84.04 for MoCo v2; ImageNet linear, features 5: 68.04 against 66.24.
_base_ = 'mmpretrain::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py'

custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)
model = dict(
    type='InterCLR', algorithm='MoCo', inter_image=dict(num_clusters=10000))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
    dict(type='PreemptionHook'),
]

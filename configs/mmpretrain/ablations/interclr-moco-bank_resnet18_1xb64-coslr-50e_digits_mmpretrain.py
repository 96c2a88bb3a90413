# InterCLR-MoCo v2 on digits with the first clustering of the bank itself after one epoch.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-bank_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_bank --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

custom_hooks = [
    dict(type='MemoryBankHook', first_clustering='bank'),
    dict(type='ExactResumeHook'),
]

# InterCLR-MoCo v2 on digits with ten epochs of the stock loss alone at the start.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-warmup10_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_warmup10 --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

custom_hooks = [
    dict(type='MemoryBankHook', warmup_epochs=10),
    dict(type='ExactResumeHook'),
]

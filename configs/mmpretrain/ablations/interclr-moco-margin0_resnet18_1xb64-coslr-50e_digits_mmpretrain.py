# InterCLR-MoCo v2 on digits with no margin on the inter-image branch.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-margin0_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_margin0 --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    inter_image=dict(loss=dict(margin=0.)))

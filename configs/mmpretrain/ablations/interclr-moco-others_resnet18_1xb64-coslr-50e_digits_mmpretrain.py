# InterCLR-MoCo v2 on digits with positives besides the image itself.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-others_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_others --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    inter_image=dict(sampler=dict(positives='others')))

# InterCLR-MoCo v2 on digits with the arc margin in place of the cosine margin.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-arc_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_arc --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    inter_image=dict(loss=dict(margin_type='arc', margin=-0.5)))

# InterCLR-MoCo v2 on digits with the arc margin in place of the cosine margin.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-arc_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_arc --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(loss=dict(margin_type='arc', margin=-0.5)))

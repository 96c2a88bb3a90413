# InterCLR-MoCo v2 on digits with a more stringent inter-image boundary.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-margin0.2_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_margin0.2 --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(loss=dict(margin=0.2)))

# InterCLR-MoCo v2 on digits with the most similar images as negatives.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-hard_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_hard --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(sampler=dict(strategy='hard')))

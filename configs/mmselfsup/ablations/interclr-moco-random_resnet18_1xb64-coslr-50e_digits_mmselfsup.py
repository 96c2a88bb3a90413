# InterCLR-MoCo v2 on digits with random negatives.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-random_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_random --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(sampler=dict(strategy='random')))

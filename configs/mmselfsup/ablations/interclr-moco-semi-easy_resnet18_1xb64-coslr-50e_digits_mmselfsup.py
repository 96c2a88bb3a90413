# InterCLR-MoCo v2 on digits with negatives from the least similar images.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-semi-easy_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_semi-easy --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(sampler=dict(strategy='semi-easy')))

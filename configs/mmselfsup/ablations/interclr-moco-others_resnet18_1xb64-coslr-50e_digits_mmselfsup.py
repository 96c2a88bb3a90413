# InterCLR-MoCo v2 on digits with positives besides the image itself.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-others_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_others --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(sampler=dict(positives='others')))

# InterCLR-MoCo v2 on digits with 20 clusters in place of 50.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-clusters20_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_clusters20 --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(num_clusters=20))

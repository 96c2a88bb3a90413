# InterCLR-MoCo v2 on digits with 100 clusters in place of 50.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-clusters100_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_clusters100 --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    inter_image=dict(num_clusters=100))

# InterCLR-MoCo v2 on digits with unit centroids (spherical k-means).
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-spherical_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_spherical --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    inter_image=dict(labels=dict(geometry='spherical')))

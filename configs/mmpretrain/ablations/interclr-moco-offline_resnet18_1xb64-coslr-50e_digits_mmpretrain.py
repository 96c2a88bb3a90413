# InterCLR-MoCo v2 on digits with labels clustered anew every epoch (DeepCluster) in place of online ones.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-offline_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_offline --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    inter_image=dict(labels=dict(type='OfflineKMeans', interval=1)))

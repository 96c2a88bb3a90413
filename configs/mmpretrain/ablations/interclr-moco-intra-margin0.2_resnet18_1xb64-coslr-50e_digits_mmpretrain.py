# InterCLR-MoCo v2 on digits with a more stringent intra-image boundary.
#
#   mim train mmpretrain \
#       configs/mmpretrain/ablations/interclr-moco-intra-margin0.2_resnet18_1xb64-coslr-50e_digits_mmpretrain.py \
#       --work-dir work_dirs/ablation_intra-margin0.2 --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'

model = dict(
    head=dict(
        _delete_=True, type='MarginNCEHead', margin=0.2, temperature=0.2))

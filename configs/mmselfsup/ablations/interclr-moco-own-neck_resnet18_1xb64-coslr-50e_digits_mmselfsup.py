# InterCLR-MoCo v2 on digits with a neck of the branch's own.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-own-neck_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_own-neck --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_image=dict(
        neck=dict(
            type='MoCoV2Neck',
            in_channels=128,
            hid_channels=128,
            out_channels=64)))

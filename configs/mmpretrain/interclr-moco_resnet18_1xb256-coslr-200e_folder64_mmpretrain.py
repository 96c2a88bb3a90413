# InterCLR-MoCo v2 on a folder of images of about 64 x 64 pixels.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-moco_resnet18_1xb256-coslr-200e_folder64_mmpretrain.py \
#       --work-dir work_dirs/folder64 --gpus 1 \
#       --cfg-options train_dataloader.dataset.data_root=data/mine
#
# For some 50,000 images; `python -m interclr_plugin init data/mine` writes a
# configuration that is sized to yours.
_base_ = 'interclr-moco_resnet18_1xb256-coslr-200e_folder32_mmpretrain.py'

# The stem for small images, and the first stage at half the size: from there on
# the maps, and the cost, are those of 32 x 32 pixels.
model = dict(backbone=dict(strides=(2, 2, 2, 2)))

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.pipeline[1].transforms[0][0].scale = 64

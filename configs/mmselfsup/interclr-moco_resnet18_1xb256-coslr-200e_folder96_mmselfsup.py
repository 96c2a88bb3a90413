# InterCLR-MoCo v2 on a folder of images of about 96 x 96 pixels.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-moco_resnet18_1xb256-coslr-200e_folder96_mmselfsup.py \
#       --work-dir work_dirs/folder96 --gpus 1 \
#       --cfg-options train_dataloader.dataset.data_root=data/mine
#
# For some 50,000 images; `python -m interclr_plugin init data/mine` writes a
# configuration that is sized to yours.
_base_ = 'interclr-moco_resnet18_1xb256-coslr-200e_folder32_mmselfsup.py'

# The plain ResNet-18, with the stem of large images.
model = dict(backbone=dict(type='mmcls.ResNet'))

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.pipeline[1].transforms[0][0].size = 96

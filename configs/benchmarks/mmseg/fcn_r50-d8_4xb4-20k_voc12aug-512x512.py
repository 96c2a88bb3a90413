# FCN on PASCAL VOC 2012 with the additional annotations.
#
#   mim train mmseg configs/benchmarks/mmseg/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py \
#       --work-dir work_dirs/fcn --launcher pytorch --gpus 4 \
#       --cfg-options model.backbone.init_cfg.checkpoint=published.pth
_base_ = 'mmselfsup::benchmarks/mmsegmentation/voc12aug/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py'

model = dict(
    # The stock recipe names a ResNet with another stem, which no checkpoint of
    # a pre-training fits.
    pretrained=None,
    backbone=dict(
        type='ResNet',
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.')))

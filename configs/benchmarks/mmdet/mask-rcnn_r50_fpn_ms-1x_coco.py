# Mask R-CNN with a feature pyramid on COCO.
#
#   mim train mmdet configs/benchmarks/mmdet/mask-rcnn_r50_fpn_ms-1x_coco.py \
#       --work-dir work_dirs/mask_rcnn --launcher pytorch --gpus 8 \
#       --cfg-options model.backbone.init_cfg.checkpoint=published.pth
_base_ = 'mmselfsup::benchmarks/mmdetection/coco/mask-rcnn_r50_fpn_ms-1x_coco.py'

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.')))

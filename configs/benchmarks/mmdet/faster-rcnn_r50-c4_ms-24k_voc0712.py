# Faster R-CNN on PASCAL VOC 2007 and 2012. Its last stage belongs to the head,
# so the checkpoint is named twice.
#
#   mim train mmdet configs/benchmarks/mmdet/faster-rcnn_r50-c4_ms-24k_voc0712.py \
#       --work-dir work_dirs/faster_rcnn --launcher pytorch --gpus 8 \
#       --cfg-options model.backbone.init_cfg.checkpoint=published.pth \
#       model.roi_head.shared_head.init_cfg.checkpoint=published.pth
_base_ = 'mmselfsup::benchmarks/mmdetection/voc0712/faster-rcnn_r50-c4_ms-24k_voc0712.py'

pretrained = dict(type='Pretrained', checkpoint='', prefix='backbone.')
model = dict(
    backbone=dict(init_cfg=pretrained),
    roi_head=dict(shared_head=dict(init_cfg=pretrained)))

# Linear classification on ImageNet of each level of a ResNet-50: features 1 (the
# stem) to 5. The stock recipe has 2 to 5.
#
#   mim train interclr_plugin \
#       configs/benchmarks/mmselfsup/resnet50_mhead_linear-8xb32-steplr-90e_in1k_mmselfsup.py \
#       --work-dir work_dirs/mhead --launcher pytorch --gpus 8 \
#       --cfg-options model.backbone.init_cfg.checkpoint=published.pth
#
# `head0/accuracy` is that of features 1, `head4/accuracy` that of features 5.
_base_ = 'mmselfsup::benchmarks/classification/imagenet/resnet50_mhead_linear-8xb32-steplr-90e_in1k.py'
# The evaluator that the stock recipe names and mmselfsup 1.0.0 lacks.
custom_imports = dict(
    imports=['interclr_plugin.evaluation.multi_head_evaluator'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        # The ResNet of mmcls has no output for the stem.
        type='mmselfsup.ResNet',
        out_indices=[0, 1, 2, 3, 4],
        init_cfg=dict(type='Pretrained', checkpoint=None, prefix='backbone.')),
    head=dict(in_indices=[0, 1, 2, 3, 4]))

val_evaluator = dict(
    metrics=dict(head0=dict(type='mmcls.Accuracy', topk=(1, 5))))
test_evaluator = dict(
    _delete_=True,
    type='MultiHeadEvaluator',
    metrics=dict(
        head0=dict(type='mmcls.Accuracy', topk=(1, 5)),
        head1=dict(type='mmcls.Accuracy', topk=(1, 5)),
        head2=dict(type='mmcls.Accuracy', topk=(1, 5)),
        head3=dict(type='mmcls.Accuracy', topk=(1, 5)),
        head4=dict(type='mmcls.Accuracy', topk=(1, 5))))

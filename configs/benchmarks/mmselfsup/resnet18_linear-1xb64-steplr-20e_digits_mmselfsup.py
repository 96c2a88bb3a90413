# Linear classification of the digits on a backbone that stays as it is, by the
# stock recipe for MoCo.
#
#   mim train interclr_plugin \
#       configs/benchmarks/mmselfsup/resnet18_linear-1xb64-steplr-20e_digits_mmselfsup.py \
#       --work-dir work_dirs/linear --gpus 0 \
#       --cfg-options model.backbone.init_cfg.checkpoint=published.pth
_base_ = 'mmselfsup::benchmarks/classification/imagenet/resnet50_linear-8xb32-steplr-100e_in1k.py'
custom_imports = dict(imports=['interclr_plugin'], allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(
        num_classes=10, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=False),
    backbone=dict(
        depth=18,
        stem_channels=16,
        base_channels=16,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.')),
    head=dict(num_classes=10, in_channels=128))

pipeline = [dict(type='PackClsInputs')]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True, type='Digits', split='train', pipeline=pipeline))
val_dataloader = dict(
    batch_size=297,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True, type='Digits', split='test', pipeline=pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=20)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[12, 16], gamma=0.1)
]
randomness = dict(seed=0)

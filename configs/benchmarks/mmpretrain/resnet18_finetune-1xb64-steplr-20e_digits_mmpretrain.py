# Classification of the digits by the whole network, with the stock settings for
# few labels: the new head learns ten times as fast.
#
#   mim train mmpretrain \
#       configs/benchmarks/mmpretrain/resnet18_finetune-1xb64-steplr-20e_digits_mmpretrain.py \
#       --work-dir work_dirs/finetune --gpus 0 \
#       --cfg-options model.backbone.init_cfg.checkpoint=published.pth \
#       train_dataloader.dataset.indices=150
#
# These are 10 % of the labels; without the last line, all of them.
_base_ = 'resnet18_linear-1xb64-steplr-20e_digits_mmpretrain.py'

model = dict(backbone=dict(frozen_stages=-1))

optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.)}))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[12, 16], gamma=0.2)
]

# InterCLR-MoCo v2 on a folder of images of about 32 x 32 pixels.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-moco_resnet18_1xb256-coslr-200e_folder32_mmpretrain.py \
#       --work-dir work_dirs/folder32 --gpus 1 \
#       --cfg-options train_dataloader.dataset.data_root=data/mine
#
# For some 50,000 images; `python -m interclr_plugin init data/mine` writes a
# configuration that is sized to yours.
_base_ = 'interclr-moco_resnet18_1xb256-coslr-200e_cifar10_mmpretrain.py'

# All images below data/mine, in folders of any depth. Those that cannot be used
# are named at the start, and left out.
train_dataloader = dict(
    dataset=dict(
        type='ImageFolder',
        data_root='data/mine',
        data_prefix='',
        skip_bad=True))
# A folder data/mine alone has no test set.
evaluation = dict(_delete_=True)

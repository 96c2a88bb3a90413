# InterCLR-MoCo v2 on a folder of images of about 224 x 224 pixels and more.
#
#   mim train mmselfsup \
#       configs/mmselfsup/interclr-moco_resnet50_1xb64-coslr-200e_folder224_mmselfsup.py \
#       --work-dir work_dirs/folder224 --gpus 1 \
#       --cfg-options train_dataloader.dataset.data_root=data/mine
#
# For some 50,000 images; `python -m interclr_plugin init data/mine` writes a
# configuration that is sized to yours.
_base_ = 'interclr-moco_resnet50_8xb32-coslr-200e_in1k_mmselfsup.py'

model = dict(queue_len=16384, inter_image=dict(num_clusters=400))

# All images below data/mine, in folders of any depth. Those that cannot be used
# are named at the start, and left out.
train_dataloader = dict(
    batch_size=64,
    persistent_workers=False,  # for a resume that is exact
    dataset=dict(
        _delete_=True,
        type='ImageFolder',
        data_root='data/mine',
        skip_bad=True,
        pipeline=_base_.train_dataloader.dataset.pipeline))
# The inherited 0.03 is for batches of 256.
optim_wrapper = dict(optimizer=dict(lr=0.0075))

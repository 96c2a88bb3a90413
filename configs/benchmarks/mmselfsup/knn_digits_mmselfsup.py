# The digits for mmselfsup's kNN tool: the test set classified by the training
# set, on the features of a backbone that stays as it is.
#
#   mim run mmselfsup test_knn \
#       configs/mmselfsup/interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --checkpoint published.pth --num-knn 20 --work-dir work_dirs/knn \
#       --dataset-config configs/benchmarks/mmselfsup/knn_digits_mmselfsup.py \
#       --cfg-options log_level=INFO
_base_ = 'mmselfsup::benchmarks/classification/knn_imagenet.py'

pipeline = [dict(type='PackSelfSupInputs')]
train_dataloader = dict(
    num_workers=0,
    dataset=dict(
        _delete_=True, type='Digits', split='train', pipeline=pipeline))
val_dataloader = dict(
    num_workers=0,
    dataset=dict(
        _delete_=True, type='Digits', split='test', pipeline=pipeline))

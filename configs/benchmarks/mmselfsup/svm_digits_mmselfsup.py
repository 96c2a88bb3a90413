# The digits for mmselfsup's SVM tools, whose file names say VOC07.
#
#   mim run mmselfsup extract \
#       configs/mmselfsup/interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --checkpoint published.pth --layer-ind 0,1,2,3,4 --work-dir work_dirs/svm \
#       --dataset-config configs/benchmarks/mmselfsup/svm_digits_mmselfsup.py \
#       --cfg-options log_level=INFO
#
# docs/downstream.md says how to go on.
split_at = [1500]
split_name = ['voc07_trainval', 'voc07_test']

pipeline = [dict(type='PackSelfSupInputs')]
extract_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    extract_dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(type='Digits', split='train', pipeline=pipeline),
            dict(type='Digits', split='test', pipeline=pipeline),
        ]))

# Levels of 32 x 32 images are smaller than what the stock recipe cuts out.
pool_cfg = dict(
    type='MultiPooling', pool_type='adaptive', in_indices=(0, 1, 2, 3, 4))

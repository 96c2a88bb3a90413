# InterCLR-MoCo v2 on digits with every option as mmselfsup 0.x has it, also
# those whose default is another here.
#
#   mim train mmselfsup \
#       configs/mmselfsup/ablations/interclr-moco-released_resnet18_1xb64-coslr-50e_digits_mmselfsup.py \
#       --work-dir work_dirs/ablation_released --gpus 0
_base_ = '../interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py'

model = dict(
    inter_weight=0.25,
    inter_image=dict(
        bank=dict(momentum=1.0),
        labels=dict(
            type='OnlineKMeans',
            geometry='plain',
            min_cluster_size=5,
            centroid_interval=10,
            small_cluster_interval=1),
        sampler=dict(
            strategy='semi-hard',
            pool='exact',
            positives='all',
            num_negatives=256,
            pool_fraction=0.2),
        loss=dict(margin=-0.5, margin_type='cosine', temperature=0.2)))
custom_hooks = [
    dict(
        type='MemoryBankHook', first_clustering='extraction', warmup_epochs=0),
    dict(type='ExactResumeHook'),
]

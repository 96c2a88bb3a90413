# MoCo v2 and relations on small images: CIFAR-10 as image files.
#
#   mim train mmpretrain \
#       configs/mmpretrain/interclr-moco-relations_resnet18_1xb256-coslr-200e_cifar10_mmpretrain.py \
#       --work-dir work_dirs/relations_moco_cifar10 --gpus 1
#
# In place of one positive and many negatives each of many images counts, as
# much as it is alike to the query's image: docs/method.md 4.7. Trained by this
# project at a smaller size only: benchmarks/README.md ("Panel") has what it
# gave.
_base_ = 'interclr-moco_resnet18_1xb256-coslr-200e_cifar10_mmpretrain.py'

model = dict(
    intra_weight=1.0,
    inter_weight=0.5,
    inter_image=dict(
        bank=dict(momentum=0.2), sampler=dict(type='RelationSampler')))

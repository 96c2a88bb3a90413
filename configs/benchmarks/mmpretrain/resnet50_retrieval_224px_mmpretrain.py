# Features and similar images by mmpretrain's own FeatureExtractor and
# ImageRetrievalInferencer, on a ResNet-50 that was pre-trained by a stock
# recipe for ImageNet; docs/export.md has the lines of Python.
#
#   configs/benchmarks/mmpretrain/resnet50_retrieval_224px_mmpretrain.py
_base_ = 'resnet18_retrieval_digits_mmpretrain.py'

data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(backbone=dict(depth=50, stem_channels=64, base_channels=64))

test_dataloader = dict(
    dataset=dict(pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='ResizeEdge', scale=256, edge='short'),
        dict(type='CenterCrop', crop_size=224),
        dict(type='PackInputs'),
    ]))

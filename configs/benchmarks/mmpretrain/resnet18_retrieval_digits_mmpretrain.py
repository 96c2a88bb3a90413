# Features and similar images by mmpretrain's own FeatureExtractor and
# ImageRetrievalInferencer, on a backbone of the digits; docs/export.md has the
# lines of Python.
#
#   configs/benchmarks/mmpretrain/resnet18_retrieval_digits_mmpretrain.py
default_scope = 'mmpretrain'
custom_imports = dict(
    imports=['interclr_plugin.evaluation.backbone_retriever'],
    allow_failed_imports=False)

# As in the pre-training.
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=False)
model = dict(
    type='BackboneRetriever',
    backbone=dict(
        type='ResNet', depth=18, stem_channels=16, base_channels=16))

test_dataloader = dict(
    dataset=dict(type='CustomDataset', pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='ResizeEdge', scale=37, edge='short'),
        dict(type='CenterCrop', crop_size=32),
        dict(type='PackInputs'),
    ]))

"""The test-time view, on the stock pipelines of both libraries."""
import copy
from functools import partial

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    ConcatDataset,
    RepeatDataset,
    default_collate,
)
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import get_installed_path
from torch import nn
from torch.utils.data import DataLoader

from interclr_plugin.datasets import Digits, centre_view, to_model_inputs
from interclr_plugin.datasets.centre_view import ResizeCentreCrop

STOCK = dict(
    mmselfsup='.mim/configs/selfsup/_base_/datasets/imagenet_mocov2.py',
    mmpretrain='.mim/configs/_base_/datasets/imagenet_bs32_mocov2.py')
PACK = dict(mmselfsup='PackSelfSupInputs', mmpretrain='PackInputs')


@pytest.fixture(params=['mmselfsup', 'mmpretrain'])
def scope(request):
    with DefaultScope.overwrite_default_scope(request.param):
        yield request.param


def crop(scope, size):
    """The random crop of either library, its size where each has it."""
    key = dict(mmselfsup='size', mmpretrain='scale')[scope]
    return dict(type='RandomResizedCrop', **{key: size})


def digits_pipeline(scope, *views):
    return [
        dict(
            type='MultiView',
            num_views=[1] * len(views),
            transforms=[list(view) for view in views]),
        dict(type=PACK[scope])
    ]


@pytest.fixture
def images(tmp_path):
    """Files that all differ, of a size for each case of the resize."""
    draw = np.random.RandomState(0)
    # Of even differences to 224 after the resize: the centre is no choice.
    for index, (height, width) in enumerate([(300, 600), (450, 300),
                                             (224, 260), (100, 90)]):
        cv2.imwrite(
            str(tmp_path / f'{index}.png'),
            draw.randint(0, 256, (height, width, 3), dtype=np.uint8))
    return tmp_path


def stock_dataset(scope, images):
    """The ImageNet pipeline that the library ships, over our own files."""
    config = Config.fromfile(f'{get_installed_path(scope)}/{STOCK[scope]}')
    return Files(
        images=[str(path) for path in sorted(images.glob('*.png'))],
        pipeline=config.train_pipeline)


class Files(BaseDataset):

    def __init__(self, images, **kwargs):
        self.images = images
        super().__init__(**kwargs)

    def load_data_list(self):
        # As in mmcls' CIFAR10, test_mode chooses what is loaded.
        assert not self.test_mode
        return [dict(img_path=path, gt_label=0) for path in self.images]


def by_hand(path):
    """Resize to 256 and crop 224 with nothing but cv2."""
    image = cv2.imread(path)
    height, width = image.shape[:2]
    if min(height, width) != 224:
        factor = 256 / min(height, width)
        image = cv2.resize(
            image, (round(width * factor), round(height * factor)),
            interpolation=cv2.INTER_LINEAR)
    top = (image.shape[0] - 224) // 2
    left = (image.shape[1] - 224) // 2
    return image[top:top + 224, left:left + 224]


@pytest.mark.parametrize('lazy', [False, True])
def test_stock_imagenet_pipeline_gives_the_centre_crop(scope, images, lazy):
    """Without it the first clustering could see wrong pixels on ImageNet."""
    dataset = stock_dataset(scope, images)
    if lazy:
        dataset._fully_initialized = False
    view = centre_view(dataset)
    assert len(view) == 4
    for index, path in enumerate(dataset.images):
        packed = view[index]['inputs']
        assert len(packed) == 1
        expected = by_hand(path).transpose(2, 0, 1)
        assert expected.shape == (3, 224, 224)
        assert np.array_equal(packed[0].numpy(), expected)


def test_it_is_the_same_each_time_and_the_training_views_are_not(scope):
    """Without it an augmentation left in could go unnoticed."""
    dataset = Digits(pipeline=digits_pipeline(scope, [crop(scope, 32)] * 2))
    view = centre_view(dataset)
    images, views = [], []
    for _ in range(4):
        views.append(view[0]['inputs'][0])
        images.append(dataset[0]['inputs'][0])
    assert all(torch.equal(each, views[0]) for each in views)
    assert not all(torch.equal(each, images[0]) for each in images)


def test_an_image_of_the_crop_size_keeps_every_pixel(scope):
    """Without it digits (32 of 32) could be blown up and cut."""
    dataset = Digits(
        split='test', pipeline=digits_pipeline(scope, [crop(scope, 32)]))
    view = centre_view(dataset)
    for index in range(len(view)):
        assert np.array_equal(
            view[index]['inputs'][0].permute(1, 2, 0).numpy(),
            dataset.get_data_info(index)['img'])


def test_the_first_crop_counts(scope):
    """Without it SwAV's small crops could set the size."""
    view = centre_view(
        Digits(
            pipeline=digits_pipeline(
                scope, [crop(scope, 28)],
                [crop(scope, 12)])))
    assert view[0]['inputs'][0].shape == (3, 28, 28)


def test_torchvision_crop_inside_another_transform():
    """Without it the wrapped transforms of mmpretrain would be missed."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        steps = [
            dict(type='NumpyToPIL', to_rgb=True),
            dict(
                type='RandomApply',
                prob=1.,
                transforms=[
                    dict(type='torchvision/RandomResizedCrop', size=16)
                ]),
            dict(type='PILToNumpy', to_bgr=True)
        ]
        dataset = Digits(pipeline=digits_pipeline('mmpretrain', steps))
        assert dataset[0]['inputs'][0].shape == (3, 16, 16)
        assert centre_view(dataset)[0]['inputs'][0].shape == (3, 16, 16)


def test_the_training_set_stays_as_it_is(scope):
    """Without it the hook could switch augmentation off for good."""
    dataset = Digits(
        lazy_init=True, pipeline=digits_pipeline(scope, [crop(scope, 32)] * 2))
    before = copy.deepcopy(dataset.__dict__)
    before['pipeline'] = dataset.pipeline
    stages = list(dataset.pipeline.transforms)
    view = centre_view(dataset)
    assert len(view) == 1500 and view[0]
    assert dataset.__dict__ == before
    assert dataset.pipeline.transforms == stages
    # The very packing transform: a change to it (sample_idx) shows here too.
    assert view.pipeline.transforms[-1] is stages[-1]


def test_a_broken_image_stops_instead_of_becoming_another(scope):
    """Without it a row of the bank could silently hold another image."""
    config = digits_pipeline(scope, [crop(scope, 32)])

    def lose_number_3(results):
        return None if results['sample_idx'] == 3 else results

    dataset = Digits(pipeline=[lose_number_3, *config])
    assert dataset[3] is not None  # training takes any other
    view = centre_view(dataset)
    with pytest.raises(ValueError, match='image number 3 cannot be used'):
        view[3]


@pytest.mark.parametrize('wrap', [
    lambda inner: RepeatDataset(inner, times=3),
    lambda inner: ClassBalancedDataset(inner, oversample_thr=0.99),
    lambda inner: RepeatDataset(dict(type=partial(RepeatDataset, inner, 2)), 2)
])
def test_wrappers_give_each_image_once_in_order(scope, wrap):
    """Without it repeated images could make rows and images disagree."""
    inner = Digits(
        indices=40,
        split='test',
        pipeline=digits_pipeline(scope, [crop(scope, 32)]))
    wrapped = wrap(inner)
    assert len(wrapped) > 40
    view = centre_view(wrapped)
    assert len(view) == 40
    for index in range(40):
        assert np.array_equal(
            view[index]['inputs'][0].permute(1, 2, 0).numpy(),
            inner.get_data_info(index)['img'])


@pytest.mark.parametrize('shape', [(2, 30001, 3), (9000, 1), (9, 72, 3)])
def test_the_middle_of_a_strip_is_enough(shape, monkeypatch):
    """Without it one odd file could take gigabytes: 30,000 x 2 pixels, as
    sharp as 224 pixels of height would be 3,800,000 wide."""
    image = np.random.RandomState(0).randint(255, size=shape, dtype=np.uint8)
    asked = []
    stock = mmcv.imresize

    def resize(img, size, **options):
        asked.append(size)
        return stock(img, size, **options)

    monkeypatch.setattr(mmcv, 'imresize', resize)
    found = ResizeCentreCrop(16)(dict(img=image))['img']
    assert found.shape == (16, 16, *shape[2:])
    (width, height), = asked
    assert max(width, height) <= 8 * 18
    # An image that is no strip is resized as a whole.
    if max(shape) < 9000:
        assert (width, height) == (144, 18)
        whole = stock(image, (144, 18))[1:17, 64:80]
        assert np.array_equal(found, whole)


def test_joined_sets_are_one_list(scope):
    """Without it images of two parts could get each other's features."""
    parts = [
        Digits(
            split=split,
            indices=7,
            metainfo=dict(split=split),
            pipeline=digits_pipeline(scope, [crop(scope, 32)]))
        for split in ('train', 'test')
    ]
    both = ConcatDataset(parts, ignore_keys=['split'])
    view = centre_view(RepeatDataset(dict(type=lambda: both), times=2))
    assert len(view) == 14
    for index in range(14):
        assert np.array_equal(
            view[index]['inputs'][0].permute(1, 2, 0).numpy(),
            parts[index // 7].get_data_info(index % 7)['img'])


def test_what_has_no_single_order_is_refused(scope):
    """Without it a part of a set could have the positions of the whole."""
    whole = Digits(pipeline=digits_pipeline(scope, [crop(scope, 32)]))
    with pytest.raises(ValueError, match='Subset.*train_dataloader'):
        centre_view(torch.utils.data.Subset(whole, [1, 2]))


def test_one_view_without_multi_view(scope, images):
    """Without it NPID's stock pipeline, which has none, could not start."""
    views = stock_dataset(scope, images)
    plain = stock_dataset(scope, images)
    load, _, pack = plain.pipeline.transforms
    flip = dict(type='RandomFlip', prob=0.5)
    augmented = Digits(pipeline=[flip, crop(scope, 224)])
    plain.pipeline.transforms = [load, *augmented.pipeline.transforms, pack]
    for one, other in zip(centre_view(plain), centre_view(views)):
        assert torch.equal(one['inputs'][0], other['inputs'][0])


def test_pipelines_it_cannot_read_ask_for_transforms(scope):
    """Without it an unknown pipeline would fail far from its cause."""
    pack = dict(type=PACK[scope])
    with pytest.raises(ValueError, match='no crop.*transforms='):
        centre_view(Digits(pipeline=[dict(type='Resize', scale=32), pack]))
    blur = [dict(type='RandomFlip', prob=0.5)]
    with pytest.raises(ValueError, match='no crop.*transforms='):
        centre_view(Digits(pipeline=digits_pipeline(scope, blur)))
    oblong = [crop(scope, (32, 16))]
    with pytest.raises(ValueError, match='square.*transforms='):
        centre_view(Digits(pipeline=digits_pipeline(scope, oblong)))

    def to_tensor(results):
        return dict(results, img=torch.from_numpy(results['img']))

    mixed = [to_tensor] + digits_pipeline(scope, [crop(scope, 32)])
    with pytest.raises(ValueError, match='Tensor.*transforms='):
        centre_view(Digits(pipeline=mixed))[0]


def test_given_transforms_stand_in_for_all_but_packing(scope):
    """Without it the advice of the error messages could be wrong."""
    dataset = Digits(pipeline=[crop(scope, 32), dict(type=PACK[scope])])
    view = centre_view(
        dataset, transforms=[dict(type='Resize', scale=(16, 16))])
    expected = cv2.resize(dataset.get_data_info(9)['img'], (16, 16))
    assert np.array_equal(view[9]['inputs'][0].permute(1, 2, 0).numpy(),
                          expected)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_batch_reaches_the_model_normalised(scope, workers):
    """Without it the tuple or the dict of a library could be misread."""
    dataset = Digits(pipeline=digits_pipeline(scope, [crop(scope, 32)]))
    loader = DataLoader(
        centre_view(dataset),
        batch_size=5,
        num_workers=workers,
        collate_fn=default_collate)
    model = nn.Module()
    model.data_preprocessor = MODELS.build(
        dict(
            type='SelfSupDataPreprocessor', mean=[100.] * 3, std=[50.] * 3))
    inputs = to_model_inputs(model, next(iter(loader)))
    expected = np.stack(
        [dataset.get_data_info(index)['img'] for index in range(5)])
    expected = (expected.transpose(0, 3, 1, 2).astype(np.float32) - 100) / 50
    assert np.allclose(inputs.numpy(), expected, atol=1e-6)
    many = next(iter(DataLoader(
        Digits(
            pipeline=digits_pipeline(scope, [crop(scope, 32)],
                                     [crop(scope, 32)])),
        batch_size=5,
        collate_fn=default_collate)))
    with pytest.raises(ValueError, match='2 views.*centre_view'):
        to_model_inputs(model, many)

"""The digits dataset against scikit-learn's own arrays."""
import builtins
import pickle

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from sklearn.datasets import load_digits

from interclr_plugin.datasets import Digits

RAW = load_digits()


@pytest.mark.parametrize('split, first, count', [('train', 0, 1500),
                                                 ('test', 1500, 297)])
def test_splits_hold_the_images_and_labels_of_load_digits(split, first, count):
    """Without it a shifted split could leak test images into training."""
    dataset = Digits(split=split)
    assert len(dataset) == count
    for index in range(count):
        item = dataset[index]
        assert item['gt_label'] == RAW.target[first + index]
        assert item['sample_idx'] == index
        # 8x8 values of 0 to 16, scaled one by one; only 8 lies halfway
        # (127.5) and goes up.
        grey = np.array([[int(value * 255 / 16 + 0.5) for value in row]
                         for row in RAW.images[first + index]], np.uint8)
        grey = np.array(Image.fromarray(grey).resize((32, 32), Image.BICUBIC))
        for channel in range(3):
            assert np.array_equal(item['img'][:, :, channel], grey)


def test_an_item_is_what_a_loading_transform_would_leave():
    """Without it pipelines could miss keys that their transforms read."""
    item = Digits()[3]
    assert item['img'].dtype == np.uint8
    assert item['img'].shape == (32, 32, 3)
    assert item['img_shape'] == item['ori_shape'] == (32, 32)
    assert isinstance(item['gt_label'], int)


@pytest.mark.parametrize('serialize', [True, False])
def test_a_transform_that_writes_into_the_image_changes_no_data(serialize):
    """Without it the second epoch could see images that the first spoilt."""

    def blacken(results):
        results['img'][:] = 0
        return results

    dataset = Digits(pipeline=[blacken], serialize_data=serialize)
    assert dataset[5]['img'].max() == 0
    assert dataset.get_data_info(5)['img'].max() > 0


@pytest.mark.parametrize('scope', ['mmselfsup', 'mmpretrain', 'mmengine'])
def test_both_libraries_build_it_by_name(scope):
    """Without it a configuration of one library might not find the class."""
    with DefaultScope.overwrite_default_scope(scope):
        dataset = DATASETS.build(dict(type='Digits', split='test'))
    assert type(dataset) is Digits
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_options_of_the_base_class_work():
    """Without it subsets, wrappers and loader processes could be broken."""
    assert len(Digits(indices=40)) == 40
    assert Digits(indices=[7, 2])[1]['gt_label'] == RAW.target[2]
    assert len(pickle.loads(pickle.dumps(Digits(lazy_init=True)))) == 1500
    assert Digits(metainfo=dict(note='x')).metainfo['note'] == 'x'
    # 'Oversample' what is rarer than 99 % of the images: all, so r > 1.
    wrapped = ClassBalancedDataset(Digits(indices=40), oversample_thr=0.99)
    assert len(wrapped) > 40


def test_an_unknown_split_names_the_known_ones():
    """Without it a typing error could end in a KeyError without advice."""
    with pytest.raises(ValueError, match="'val'.*'train', 'test'"):
        Digits(split='val')


def test_missing_scikit_learn_names_the_command(monkeypatch):
    """Without it a bare install would end in a puzzling import error."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith('sklearn'):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match='pip install scikit-learn'):
        Digits()

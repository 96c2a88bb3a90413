"""Each library's sample index, from its own packing transform."""
import logging

import numpy as np
import pytest
import torch
from libraries import FIRST
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS, init_default_scope

from interclr_plugin.algorithms.image_index import image_index
from interclr_plugin.datasets.sample_index import turn_on_sample_index

PACKERS = dict(mmselfsup='PackSelfSupInputs', mmpretrain='PackInputs')


class Images:
    """The least that has a pipeline."""

    def __init__(self, *transforms):
        self.pipeline = Compose(transforms)

    def __len__(self):
        return 3


def samples(packer, positions):
    return [
        packer(
            dict(
                img=[np.zeros((4, 4, 3), np.uint8)],
                sample_idx=int(i)))['data_samples'] for i in positions
    ]


def packing(scope, **options):
    init_default_scope(scope)
    return TRANSFORMS.build(dict(type=PACKERS[scope], **options))


@pytest.mark.parametrize('options', [{}, dict(meta_keys=['ori_shape'])])
def test_the_index_arrives(scope, options, caplog):
    """Without it images could be stored in rows of others (trap 5)."""
    if scope == 'mmselfsup':
        options = {}
    packer = packing(scope, **options)
    logger = logging.getLogger('test_the_index_arrives')
    with caplog.at_level(logging.INFO, logger.name):
        turn_on_sample_index(Images(packer), logger)
    # mmpretrain packs it unless its meta_keys were changed.
    said = scope == 'mmselfsup' or bool(options)
    assert ('now keeps sample_idx' in caplog.text) == said
    found = image_index(samples(packer, [7, 0, 3]), torch.device('cpu'))
    assert found.tolist() == [7, 0, 3] and found.dtype == torch.long
    caplog.clear()
    turn_on_sample_index(Images(packer), logger)
    assert not caplog.text


def test_a_missing_index_says_what_to_add():
    """Without it the first step would end in a bare attribute error."""
    # Left as it is, mmselfsup's drops the index and mmpretrain's keeps it.
    options = {} if FIRST == 'mmselfsup' else dict(meta_keys=['ori_shape'])
    packer = packing(FIRST, **options)
    with pytest.raises(ValueError, match=r'algorithm_keys=\[.sample_idx.\]'):
        image_index(samples(packer, [0]), torch.device('cpu'))


def test_an_unknown_packing_transform_prints_the_line():
    """Without it a pipeline of the user's own would fail in the first step."""
    with pytest.raises(ValueError, match=r"algorithm_keys=\['sample_idx'\]"):
        turn_on_sample_index(Images(str), logging.getLogger())

"""mmpretrain's own inferencers on a published file."""
import numpy as np
import pytest
import torch
from libraries import INSTALLED
from PIL import Image
from small_run import CONFIGS, build_model, small

from interclr_plugin.checkpoints import publish

CONFIG = CONFIGS / 'benchmarks/mmpretrain/' \
    'resnet18_retrieval_digits_mmpretrain.py'
pytestmark = pytest.mark.skipif(
    'mmpretrain' not in INSTALLED, reason='needs mmpretrain')


@pytest.fixture
def files(tmp_path):
    """A published file, images, and the features that they should have."""
    path = CONFIGS / 'mmpretrain/' \
        'interclr-moco_resnet18_1xb64-coslr-50e_digits_mmpretrain.py'
    torch.manual_seed(0)
    model = build_model(small(path), 'mmpretrain')
    for name, value in model.backbone.state_dict().items():
        if name.endswith(('running_mean', 'bias')):
            value.normal_(0, 0.3)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'whole.pth')
    publish(str(tmp_path / 'whole.pth'), str(tmp_path / 'published.pth'))
    pixels = np.random.default_rng(0).integers(
        256, size=(4, 37, 37, 3), dtype=np.uint8)
    pixels[:, :, :, 1] //= np.arange(1, 5, dtype=np.uint8)[:, None, None]
    (tmp_path / 'images').mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f'images/{number}.png')
    # As mmcv reads them: blue first.
    inputs = pixels[:, 2:34, 2:34, ::-1].transpose(0, 3, 1, 2) / 127.5 - 1
    model.backbone.eval()
    with torch.no_grad():
        maps = model.backbone(torch.as_tensor(inputs).float())[-1]
    return tmp_path, maps.mean((2, 3))


def test_features(files):
    """Without it the extractor could run on random weights, with no more
    than a warning."""
    from mmpretrain import FeatureExtractor
    folder, expected = files
    extract = FeatureExtractor(
        str(CONFIG), pretrained=str(folder / 'published.pth'), device='cpu')
    found = extract([str(folder / f'images/{i}.png') for i in range(4)])
    torch.testing.assert_close(
        torch.stack(found), expected, atol=1e-4, rtol=1e-4)


def test_similar_images(files):
    """Without it the search could rank by other features."""
    from mmpretrain import ImageRetrievalInferencer
    folder, features = files
    search = ImageRetrievalInferencer(
        str(CONFIG),
        prototype=str(folder / 'images'),
        pretrained=str(folder / 'published.pth'),
        device='cpu')
    found, = search(str(folder / 'images/2.png'), topk=4)
    rows = torch.nn.functional.normalize(features, dim=1)
    expected = (rows @ rows[2]).sort(descending=True)
    assert [match['sample_idx'] for match in found] == \
        expected.indices.tolist()
    for match, score in zip(found, expected.values):
        assert float(match['match_score']) == pytest.approx(
            float(score), abs=1e-4)

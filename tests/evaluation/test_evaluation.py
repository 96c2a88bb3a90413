"""Frozen features and their scores against references written by hand."""
import copy
import random
import warnings

import numpy as np
import pytest
import torch
from libraries import needs_mmselfsup
from mmengine.registry import DATASETS, MODELS, DefaultScope
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from stock_moco import moco, trained
from torch import nn

from interclr_plugin.checkpoints import publish
from interclr_plugin.datasets import Digits, centre_view
from interclr_plugin.evaluation import (
    evaluate,
    extract_features,
    knn_accuracy,
    linear_accuracy,
)
from interclr_plugin.evaluation.features import pool_features


@pytest.fixture(params=['mmselfsup', 'mmpretrain'])
def scope(request):
    with DefaultScope.overwrite_default_scope(request.param):
        yield request.param


def digits_by_hand(first, count):
    """Normalised digits: of the dataset's pixels, without any pipeline."""
    digits = Digits(indices=count, split='train' if first == 0 else 'test')
    images = [digits.get_data_info(index)['img'] for index in range(count)]
    images = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
    return ((images - 100) / 50, load_digits().target[first:first + count])


def features_by_hand(backbone, images):
    """One image at a time: any mix-up within a batch would show."""
    backbone.eval()
    rows = []
    with torch.no_grad():
        for image in images:
            maps = backbone(torch.from_numpy(image[None]))[-1]
            rows.append(maps.numpy()[0].reshape(maps.shape[1], -1).mean(1))
    return np.stack(rows)


def knn_by_hand(train_x, train_y, test_x, test_y, k, temperature):
    """Weighted kNN as one reads it in the paper."""
    right = 0
    for x, y in zip(test_x, test_y):
        near = []
        for row, label in zip(train_x, train_y):
            cosine = row @ x / np.sqrt((row @ row) * (x @ x))
            near.append((cosine, label))
        votes = {}
        for cosine, label in sorted(near, reverse=True)[:k]:
            votes[label] = votes.get(label, 0) + np.exp(cosine / temperature)
        right += max(votes, key=votes.get) == y
    return right / len(test_y)


def blobs(seed, spread=1.5, count=120, width=6, classes=4):
    """Features that overlap, of different lengths and scales."""
    draw = np.random.RandomState(seed)
    centres = draw.randn(classes, width)
    labels = draw.randint(classes, size=count)
    x = centres[labels] + spread * draw.randn(count, width)
    x = x * 10.**np.arange(width)[::-1] / 1e3
    return x[:80], labels[:80], x[80:], labels[80:]


@pytest.mark.parametrize('k', [1, 7, 80])
@pytest.mark.parametrize('temperature', [0.01, 0.07, 5])
def test_knn_is_the_loop_of_the_paper(k, temperature):
    """Without it a wrong weight or metric would shift every figure."""
    for seed in range(5):
        samples = blobs(seed)
        expected = knn_by_hand(*samples, k, temperature)
        assert knn_accuracy(
            *samples, k=k, temperature=temperature) == pytest.approx(expected)


def test_knn_weights_decide():
    """Without it an unweighted vote could pass the other test by luck."""
    # Two near ones of class 0 against three far ones of class 1.
    angles = np.array([0.1, 0.1, 1.4, 1.4, 1.4])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    samples = x, [0, 0, 1, 1, 1], np.array([[1., 0.]]), [0]
    assert knn_accuracy(*samples, k=5, temperature=0.07) == 1
    assert knn_accuracy(*samples, k=5, temperature=100) == 0


@pytest.mark.parametrize('options, words', [
    (dict(k=0), 'k=0 .*1 to 80'), (dict(k=81), 'k=81 .*1 to 80'),
    (dict(temperature=0), 'temperature=0.*above 0')])
def test_knn_refuses_what_cannot_be(options, words):
    """Without it scikit-learn's own messages would name other things."""
    with pytest.raises(ValueError, match=words):
        knn_accuracy(*blobs(0), **options)


def logistic_regression_by_hand(train_x,
                                train_y,
                                test_x,
                                test_y,
                                penalty=1):
    """Minimise the penalised loss with scipy, from a random start."""
    mean, std = train_x.mean(0), train_x.std(0)
    std[std == 0] = 1  # a unit that is never active
    train_x, test_x = (train_x - mean) / std, (test_x - mean) / std
    shape = train_y.max() + 1, train_x.shape[1] + 1

    def loss(flat):
        weights = flat.reshape(shape)
        scores = train_x @ weights[:, 1:].T + weights[:, 0]
        partition = np.log(np.exp(scores).sum(1))
        right = scores[np.arange(len(train_y)), train_y]
        return (partition - right).sum() + penalty / 2 * (
            weights[:, 1:]**2).sum()

    start = np.random.RandomState(1).randn(shape[0] * shape[1])
    weights = minimize(loss, start, method='L-BFGS-B').x.reshape(shape)
    scores = test_x @ weights[:, 1:].T + weights[:, 0]
    return (scores.argmax(1) == test_y).mean()


@pytest.mark.parametrize('penalty', [1, 30])
def test_linear_is_the_minimum_of_the_stated_loss(penalty):
    """Without it another penalty or a missing scaling would go unseen."""
    for seed in range(6):
        samples = blobs(seed)
        with warnings.catch_warnings():
            warnings.simplefilter('error')  # it converges
            found = linear_accuracy(*samples, penalty=penalty)
        assert found == pytest.approx(
            logistic_regression_by_hand(*samples, penalty=penalty))


def test_linear_refuses_a_penalty_of_zero():
    """Without it the message would be one of scikit-learn's C."""
    with pytest.raises(ValueError, match='penalty=0.*above 0'):
        linear_accuracy(*blobs(0), penalty=0)


def view_of(config):
    return centre_view(
        DATASETS.build(copy.deepcopy(config.train_dataloader.dataset)))


@pytest.mark.parametrize('batch_size, workers', [(7, 0), (256, 1)])
def test_features_are_those_of_the_stock_backbone(scope, tmp_path, batch_size,
                                                  workers):
    """Without it order, pooling, mode or normalisation could be off."""
    model, _ = trained(scope, tmp_path / 'x.pth')
    images, _ = digits_by_hand(0, 40)
    expected = features_by_hand(model.backbone, images)
    config = moco(scope)
    config.train_dataloader.dataset.indices = 40
    found = extract_features(
        model, view_of(config), batch_size=batch_size, num_workers=workers)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_training_goes_on_as_if_nothing_was_extracted(scope, tmp_path):
    """Without it an evaluation during training could change the training."""
    model, _ = trained(scope, tmp_path / 'x.pth')
    model.train()
    model.backbone.layer1.eval()  # a frozen stage
    config = moco(scope)
    config.train_dataloader.dataset.indices = 20
    modes = [module.training for module in model.modules()]
    state = copy.deepcopy(model.state_dict())
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    extract_features(model, view_of(config))
    assert (random.random(), np.random.rand(), torch.rand(1)) == expected
    assert [module.training for module in model.modules()] == modes
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_features_that_are_nan_are_reported(scope, tmp_path):
    """Without it a diverged run could get a score of chance level."""
    model, _ = trained(scope, tmp_path / 'x.pth')
    model.backbone.layer4[1].bn2.bias.data[0] = float('nan')
    config = moco(scope)
    config.train_dataloader.dataset.indices = 20
    with pytest.raises(ValueError, match='20 of 20 images.*NaN'):
        extract_features(model, view_of(config))


def test_pooling_of_whatever_a_backbone_returns():
    """Without it transformers could be scored on the wrong vector."""
    maps = torch.rand(2, 5, 3, 3)
    tokens = torch.rand(2, 4, 5)
    vector = torch.rand(2, 5)
    mean = np.array(maps.numpy().reshape(2, 5, 9).mean(2))
    assert np.allclose(pool_features((vector, maps)), mean)
    assert torch.equal(pool_features([vector]), vector)
    assert torch.equal(pool_features(([maps, vector], )), vector)
    assert torch.equal(pool_features(tokens, True), tokens[:, 0])
    assert np.allclose(pool_features(tokens), tokens.numpy().mean(1))
    with pytest.raises(ValueError, match=r'\(2,\).*model.backbone'):
        pool_features(torch.rand(2))


@pytest.mark.parametrize('out_type, expected', [
    ('cls_token', lambda raw: raw[:, 0]), ('raw', lambda raw: raw[:, 0]),
    ('featmap', lambda raw: raw[:, 1:].mean(1))])
def test_vision_transformer_of_mmpretrain(out_type, expected):
    """Without it a sequence's class token could be averaged away."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        config = moco('mmpretrain')
        config.train_dataloader.dataset.indices = 3
        settings = dict(
            type='VisionTransformer',
            arch=dict(
                embed_dims=8,
                num_layers=1,
                num_heads=2,
                feedforward_channels=8),
            img_size=32,
            patch_size=16)
        model = nn.Module()
        model.backbone = MODELS.build(dict(settings, out_type=out_type))
        reference = MODELS.build(dict(settings, out_type='raw'))
        reference.eval()  # which returns None in mmpretrain
        reference.load_state_dict(model.backbone.state_dict())
        model.data_preprocessor = MODELS.build(config.data_preprocessor)
        found = extract_features(model, view_of(config))
    with torch.no_grad():
        raw = reference(torch.from_numpy(digits_by_hand(0, 3)[0]))[-1]
    assert np.allclose(found, expected(raw).numpy(), atol=1e-5)


@pytest.mark.slow
def test_evaluate_is_the_sum_of_its_parts(scope, tmp_path):
    """Without it the wrong split, weights or mode could be scored."""
    model, checkpoint = trained(scope, tmp_path / 'x.pth')
    samples = []
    for first, count in ((0, 300), (1500, 100)):
        images, labels = digits_by_hand(first, count)
        samples += [features_by_hand(model.backbone, images), labels]
    result = evaluate(moco(scope), checkpoint)
    assert result['num_train'] == 300
    assert result['num_test'] == 100
    assert result['knn'] == pytest.approx(knn_by_hand(*samples, 20, 0.07))
    assert result['linear'] == pytest.approx(
        logistic_regression_by_hand(*samples), abs=0.011)
    initial = evaluate(moco(scope))
    assert initial['knn'] != result['knn']
    # The small files that are handed on.
    for backbone in (False, True):
        small = str(tmp_path / f'small{backbone}.pth')
        publish(checkpoint, small, backbone=backbone)
        assert evaluate(moco(scope), small) == result


@needs_mmselfsup
def test_both_libraries_in_one_process_leave_the_scope_alone(tmp_path):
    """Without it comparing the libraries in one script could mix them."""
    checkpoints = {
        scope: trained(scope, tmp_path / f'{scope}.pth')[1]
        for scope in ('mmselfsup', 'mmpretrain')
    }
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        first = evaluate(moco('mmselfsup'), checkpoints['mmselfsup'])
        other = evaluate(moco('mmpretrain'), checkpoints['mmpretrain'])
        again = evaluate(moco('mmselfsup'), checkpoints['mmselfsup'])
        current = DefaultScope.get_current_instance().scope_name
    assert first == again
    assert current == 'mmpretrain'
    # The same architecture, seed and data: the libraries agree.
    assert first == other


@pytest.mark.slow
def test_initial_weights_follow_the_seed(scope):
    """Without it the baseline of a table could change at each run."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = evaluate(moco(scope), seed=1)
    assert torch.rand(1) == expected
    assert evaluate(moco(scope), seed=1) == first
    assert any(evaluate(moco(scope), seed=s) != first for s in (2, 3))


def test_a_repeated_training_set_counts_each_image_once(scope):
    """Without it wrappers would break the options or the accuracy."""
    config = moco(scope)
    plain = evaluate(config)
    config.train_dataloader.dataset = dict(
        type='RepeatDataset', times=3, dataset=config.train_dataloader.dataset)
    assert evaluate(config) == plain


def test_bad_input_is_explained(scope, tmp_path):
    """Without it users would meet KeyErrors deep in other packages."""
    config = moco(scope)
    config.pop('evaluation')
    with pytest.raises(ValueError, match='evaluation = dict.*--test-options'):
        evaluate(config)
    assert evaluate(config, test_options={'split': 'test'})['num_test'] == 297
    config = moco(scope, depth=34)
    _, checkpoint = trained(scope, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='does not fit model.backbone'):
        evaluate(config, checkpoint)
    torch.save(dict(head=torch.rand(3)), tmp_path / 'head.pth')
    with pytest.raises(ValueError, match='has 0 weights named backbone'):
        evaluate(config, str(tmp_path / 'head.pth'))
    torch.save(dict(note='none'), tmp_path / 'none.pth')
    with pytest.raises(ValueError, match='holds no weights'):
        evaluate(config, str(tmp_path / 'none.pth'))
    with pytest.raises(FileNotFoundError):
        evaluate(config, str(tmp_path / 'absent.pth'))


class Unlabelled(Digits):
    """Digits without labels, or with mmselfsup's -1 in their place."""

    def __init__(self, label, **kwargs):
        self.label = label
        super().__init__(**kwargs)

    def load_data_list(self):
        items = super().load_data_list()
        for item in items:
            item.pop('gt_label')
            if self.label is not None:
                item['gt_label'] = self.label
        return items


@pytest.mark.parametrize('label', [None, -1, [1, 2]])
def test_missing_labels_are_explained(scope, label):
    """Without it 'unlabelled' (-1) would count as a class of its own."""
    config = moco(scope)
    config.train_dataloader.dataset.update(type=Unlabelled, label=label)
    with pytest.raises(ValueError, match='image 0 of Unlabelled.*gt_label='):
        evaluate(config)

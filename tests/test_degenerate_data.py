"""Data that no method can learn from: a clear end, or the run goes on."""
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATASETS
from small_run import NUM_IMAGES, runner_of, small_config

from interclr_plugin.datasets import Digits


@pytest.fixture
def scope(one_scope):
    return one_scope


@DATASETS.register_module()
class OneImage(Digits):
    """The same digit at every position."""

    def load_data_list(self):
        first = super().load_data_list()[0]
        return [dict(first) for _ in range(1500)]


class Finite(Hook):
    """No loss, row or centroid may be NaN, silently, at any step."""

    def __init__(self):
        self.steps = 0

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        branch = runner.model.inter_image
        assert all(torch.isfinite(v).all() for v in outputs.values())
        assert branch.bank.features.isfinite().all()
        assert branch.bank.centroids.isfinite().all()
        sizes = branch.bank.sizes()
        assert sizes.sum() == branch.num_images
        self.steps += 1


def train(config):
    finite = Finite()
    runner = runner_of(config)
    runner.register_hook(finite)
    runner.train()
    assert finite.steps == runner.max_iters > 0
    return runner


def test_all_images_alike(scope, tmp_path):
    """Without it k-means on equal points could end in NaN or a loop."""
    config = small_config(scope, tmp_path, epochs=2)
    config.train_dataloader.dataset.type = 'OneImage'
    runner = train(config)
    assert runner.model.inter_image.bank.sizes().min() >= 1


def test_all_features_alike(scope, tmp_path):
    """Without it a collapsed network could stop the run without a word."""
    config = small_config(scope, tmp_path, epochs=2)
    runner = runner_of(config)
    finite = Finite()

    class Collapse(Hook):

        def before_train_iter(self, runner, *args, **kwargs):
            with torch.no_grad():
                last = runner.model.neck.mlp[-1]
                last.weight.zero_()
                last.bias.fill_(1.)

    runner.register_hook(Collapse())
    runner.register_hook(finite)
    runner.train()
    assert finite.steps == 12


def test_one_image_a_cluster(scope, tmp_path):
    """Without it as many clusters as images could leave some empty, or an
    image without a positive."""
    config = small_config(scope, tmp_path, epochs=2)
    config.model.inter_image.num_clusters = NUM_IMAGES
    runner = train(config)
    assert runner.model.inter_image.bank.sizes().min() >= 1


def test_two_clusters(scope, tmp_path):
    """Without it half of the data sharing a label could leave too few
    negatives and hang, as the released sampler does (docs/method.md 10.3)."""
    config = small_config(scope, tmp_path, epochs=2)
    config.model.inter_image.num_clusters = 2
    train(config)


@pytest.mark.parametrize('strategy',
                         ['semi-hard', 'hard', 'random', 'semi-easy'])
def test_all_labels_in_one_cluster(scope, tmp_path, strategy):
    """Without it labels that collapse could leave no negative and give NaN:
    the repair is off here, so nothing mends them."""
    config = small_config(scope, tmp_path, epochs=1)
    config.model.inter_image.labels = dict(small_cluster_interval=1000)
    config.model.inter_image.sampler.strategy = strategy
    runner = runner_of(config)
    finite = Finite()

    class OneLabel(Hook):

        def before_train_iter(self, runner, *args, **kwargs):
            bank = runner.model.inter_image.bank
            bank.load(labels=torch.zeros_like(bank.labels))

    runner.register_hook(OneLabel())
    runner.register_hook(finite)
    runner.train()
    assert finite.steps == 6


def test_fewer_images_than_a_batch(scope, tmp_path):
    """Without it an epoch of no steps would pass for a training."""
    config = small_config(scope, tmp_path)
    config.train_dataloader.dataset.indices = 12
    config.model.inter_image.sampler = {}
    with pytest.raises(ValueError, match='12 images.*batch_size.*drop_last'):
        runner_of(config).train()


def test_fewer_images_than_a_batch_that_is_kept(scope, tmp_path):
    """Without it a last, smaller batch could not be stored."""
    config = small_config(scope, tmp_path)
    config.train_dataloader.dataset.indices = 16 + 8
    config.train_dataloader.drop_last = False
    config.model.queue_len = 24
    config.model.inter_image.sampler = {}
    config.model.inter_image.num_clusters = 3
    config.train_dataloader.batch_size = 8
    train(config)


def test_an_image_of_nan_is_noticed_before_training(scope, tmp_path):
    """Without it a NaN image would fill its cluster with NaN."""
    config = small_config(scope, tmp_path)
    runner = runner_of(config)
    with torch.no_grad():
        for parameter in runner.model.backbone.parameters():
            parameter.fill_(np.nan)
    runner.model.init_weights = lambda: None
    with pytest.raises(ValueError, match='96 of 96 features.*NaN'):
        runner.train()

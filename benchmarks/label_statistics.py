"""How good the pseudo-labels of a study's cell are, by the true classes.

    python benchmarks/label_statistics.py STUDIES/LIBRARY/CONFIGURATION/SEED

prints how good they could have been, had the bank been clustered otherwise.
"""
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.utils.data import Dataset

from interclr_plugin.checkpoints import load_state_dict
from interclr_plugin.inter_image import (
    ClusteredBank,
    OfflineKMeans,
    PairSampler,
)
from interclr_plugin.inter_image.kmeans import fit
from interclr_plugin.inter_image.rows import Rows
from interclr_plugin.results.bank import read_bank

QUERIES = 1000


@MODELS.register_module()
class TrueClasses(OfflineKMeans):
    """Labels of a chosen quality: true classes, some replaced by chance.

    Tells what the loss gives with labels better or worse than k-means finds.
    :class:`LabelWatch` lends it the classes.

    Args:
        noise (float): Share of the labels that are drawn anew, uniformly.
    """

    def __init__(self, *, noise: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.noise = noise

    def first_clustering(self,
                         bank: ClusteredBank,
                         generator: torch.Generator,
                         progress=None) -> None:
        chance, replace = torch.rand((2, bank.num_images),
                                     generator=generator,
                                     device=generator.device)
        chance = (chance * self.num_clusters).long()
        bank.load(
            labels=torch.where(replace < self.noise, chance,
                               self.classes.to(chance.device)))
        bank.renew_centroids()

    def wants_clustering(self, epoch: int) -> bool:
        return epoch == 0


def lend_classes(runner: Runner) -> None:
    """Give the classes to labels that are made of them."""
    branch = getattr(runner.model, 'inter_image', None)
    if branch is not None and isinstance(branch.labels, TrueClasses):
        branch.labels.classes = torch.from_numpy(
            true_classes(runner.train_dataloader.dataset))


class LabelWatch(Hook):
    """Remember how the pseudo-labels fared, epoch by epoch."""

    def __init__(self) -> None:
        self.epochs = []
        self.changed = []

    def before_run(self, runner: Runner) -> None:
        lend_classes(runner)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch=None,
                         outputs=None) -> None:
        if 'change_ratio' in outputs:
            self.changed.append(float(outputs['change_ratio']))

    def after_train_epoch(self, runner: Runner) -> None:
        if not self.changed:
            return
        dataset = runner.train_dataloader.dataset
        bank = runner.model.inter_image.bank
        self.epochs.append(
            dict(
                nmi=normalized_mutual_info_score(
                    true_classes(dataset), bank.labels.cpu()),
                change_ratio=statistics.mean(self.changed),
                smallest=int(bank.sizes().min())))
        self.changed.clear()


def true_classes(dataset: Dataset) -> np.ndarray:
    return np.array([
        dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))
    ])


def bank_and_classes(config: Config, checkpoint: str) -> tuple:
    init_default_scope(config.default_scope)
    dataset = DATASETS.build(
        dict(config.train_dataloader.dataset, pipeline=[]))
    return (read_bank(load_state_dict(checkpoint)),
            torch.from_numpy(true_classes(dataset)))


def shares_of_one_class(config: Config, checkpoint: str) -> tuple:
    """Tell how often the loss is right about a pair.

    Args:
        config (Config): Of the run, with the sampler that drew its pairs.
        checkpoint (str): Its end.

    Returns:
        tuple: The share of positives, and of negatives, that have their
        query's true class. An image's latest key stands for its query; its
        own row, which may be drawn as its positive, is not counted.
    """
    bank, classes = bank_and_classes(config, checkpoint)
    sampler = MODELS.build({
        'type': 'PairSampler',
        **config.model.inter_image.get('sampler', {})
    })
    sampler.allocate(len(classes))
    return shares_of_pairs(sampler, bank.features, bank.labels, classes)


@torch.no_grad()
def shares_of_pairs(sampler: PairSampler, features: Tensor, labels: Tensor,
                    classes: Tensor) -> tuple:
    """As :func:`shares_of_one_class`, of a bank that is at hand.

    Args:
        sampler (PairSampler): Draws the pairs.
        features (Tensor): (N, D) the bank.
        labels (Tensor): (N,) cluster numbers.
        classes (Tensor): (N,) true classes.
    """
    generator = torch.Generator().manual_seed(0)
    query = torch.randperm(len(classes), generator=generator)[:QUERIES]
    pairs = sampler(features[query].float(), query, features, labels,
                    generator)
    truth = classes[query]
    others = pairs.positive != query
    positives = (classes[pairs.positive] == truth)[others]
    negatives = classes[pairs.negatives] == truth.unsqueeze(1)
    return float(positives.float().mean()), float(
        negatives[pairs.valid].float().mean())


def share_for(num_clusters: int, features: Tensor, classes: Tensor) -> float:
    """Tell how often a positive would be right, were the bank cut anew.

    Args:
        num_clusters (int): Clusters of k-means.
        features (Tensor): (N, D) the bank.
        classes (Tensor): (N,) true classes.

    Returns:
        float: The share of positives that have their query's true class.
    """
    labels, _ = fit(
        Rows(features), num_clusters, torch.Generator().manual_seed(0))
    table = torch.zeros(num_clusters, int(classes.max()) + 1)
    table.index_put_((labels, classes), torch.ones(()), accumulate=True)
    others = (table.sum(1, keepdim=True) - 1).clamp(min=1)
    return float((table * (table - 1) / others).sum() / len(labels))


def share_of_nearest(features: Tensor, classes: Tensor) -> float:
    """Tell how often a positive would be right, were it the nearest image.

    Args:
        features (Tensor): (N, D) the bank.
        classes (Tensor): (N,) true classes.

    Returns:
        float: The share of nearest neighbours of their query's true class.
    """
    generator = torch.Generator().manual_seed(0)
    query = torch.randperm(len(features), generator=generator)[:QUERIES]
    similarity = features[query] @ features.t()
    similarity[torch.arange(len(query)), query] = -2
    right = classes[similarity.argmax(1)] == classes[query]
    return float(right.float().mean())


def main(folders: list) -> None:
    print('| images a cluster | share of one class: positives |')
    print('| --- | --- |')
    runs = []
    for folder in map(Path, folders):
        config, = folder.glob('*.py')
        checkpoint, = folder.glob('epoch_*.pth')
        bank, classes = bank_and_classes(
            Config.fromfile(config), str(checkpoint))
        runs.append((bank.features.float(), classes))
    for size in (1000, 250, 125, 50, 25, 10, 5):
        share = statistics.mean(
            share_for(max(1, len(classes) // size), features, classes)
            for features, classes in runs)
        print(f'| {size} | {share:.3f} |')
    nearest = statistics.mean(share_of_nearest(*run) for run in runs)
    print(f'| nearest neighbour alone | {nearest:.3f} |')


if __name__ == '__main__':
    main(sys.argv[1:])

"""How well pseudo-labels and pairs agree with true classes."""
from typing import Dict, Optional, Tuple

import numpy as np
import torch
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from ..datasets.positions import innermost_dataset
from ..evaluation.benchmark import true_labels
from ..evaluation.probes import INSTALL
from ..inter_image import InterImageBranch
from ..settings import check_least, written_in
from .measures import purity, true_positives
from .monitor import Monitor

# Queries compared at once, about as many as in a batch.
_AT_ONCE = 32


@HOOKS.register_module()
@written_in()
class LabelMonitor(Monitor):
    """Compare the pseudo-labels with the data set's own, for measuring alone.

    ``labels/nmi``, ``labels/ari`` and ``labels/purity`` are of the labels as
    they are at an epoch's end. ``labels/true_positives`` is the share of
    positives that have the class of their query, exactly what the sampler's
    uniform draw from these labels gives on average.
    ``labels/false_negatives``, the share of negatives that have the class of
    their query, depends on the features too: it is estimated by drawing with
    the run's own sampler for some random images, whose rows in the bank stand
    in for the queries. A row is an earlier key of the image, not the query
    that a step would compare. Where the sampler says what each image counts
    (:class:`RelationSampler`), true positives are the share of it that images
    of the query's class have, estimated likewise, and all images compared
    are among its negatives.

    Args:
        interval (int): Epochs between two measurements; the last epoch is
            measured too. Defaults to 1.
        num_queries (int): Images for the estimate of the false negatives.
            Defaults to 256.

    Raises:
        ValueError: If an argument is below 1; from the start of the training
            if the data set has no labels.
        ImportError: scikit-learn is missing.
    """

    by_epoch = True

    def __init__(self, *, interval: int = 1, num_queries: int = 256) -> None:
        super().__init__(interval=interval)
        check_least('num_queries', num_queries, 1,
                    "dict(type='LabelMonitor', {})")
        self.num_queries = num_queries

    def before_train(self, runner: Runner) -> None:
        """Read the true classes."""
        try:
            import sklearn.metrics  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f'LabelMonitor needs scikit-learn: {INSTALL}') from error
        dataset = innermost_dataset(runner.train_dataloader.dataset)
        try:
            self._truth = true_labels(dataset)
        except ValueError as error:
            raise ValueError(
                "LabelMonitor compares with the data set's labels: "
                f'{error} Or remove LabelMonitor from custom_hooks; training '
                'needs no labels.') from error

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        from sklearn import metrics
        truth, labels = self._truth, branch.bank.labels.cpu().numpy()
        table = metrics.cluster.contingency_matrix(truth, labels, sparse=True)
        true, false = self._estimate(branch)
        if true is None:
            others = branch.sampler.positives == 'others'
            true = true_positives(table, others)
        return {
            'labels/nmi': metrics.normalized_mutual_info_score(truth, labels),
            'labels/ari': metrics.adjusted_rand_score(truth, labels),
            'labels/purity': purity(table),
            'labels/true_positives': true,
            'labels/false_negatives': false,
        }

    def _estimate(self,
                  branch: InterImageBranch) -> Tuple[Optional[float], float]:
        # True positives, where the sampler alone can tell; false negatives.
        bank, sampler = branch.bank, branch.sampler
        labels = bank.labels
        truth = torch.from_numpy(np.asarray(self._truth)).to(labels.device)
        generator = torch.Generator(labels.device)
        generator.manual_seed(bank.random.step)
        chosen = torch.randint(
            len(labels), (self.num_queries, ),
            generator=generator,
            device=labels.device)
        false = torch.zeros(2, device=labels.device)
        true = torch.zeros((), device=labels.device)
        for index in chosen.split(_AT_ONCE):
            draw = sampler.draw(index, bank.rows, labels, generator,
                                bank.members)
            pairs = sampler.compare(
                bank.rows.take(index).float(), index, bank.features, labels,
                draw)
            same = truth[pairs.negatives] == truth[index].unsqueeze(1)
            same &= pairs.valid
            false += torch.stack((same.sum(), pairs.valid.sum()))
            if pairs.weights is not None:
                true += (pairs.weights * same).sum()
        weighed = pairs.weights is not None
        return (float(true / self.num_queries) if weighed else None,
                float(false[0] / false[1].clamp(min=1)))

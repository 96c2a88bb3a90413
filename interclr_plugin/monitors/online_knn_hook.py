"""kNN accuracy of the backbone while it trains."""
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine import dist
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset, Subset

from ..datasets import centre_view
from ..evaluation.benchmark import test_set, true_labels
from ..evaluation.features import extract_features
from ..evaluation.probes import knn_accuracy
from ..inter_image import InterImageBranch
from ..runner import whole_weights
from ..settings import check_least, written_in
from .monitor import Monitor


@HOOKS.register_module()
@written_in()
class OnlineKNNHook(Monitor):
    """Log ``knn/top1``, kNN accuracy of the frozen backbone features.

    The same number as ``python -m interclr_plugin evaluate`` gives for the
    checkpoint of that epoch, on the same two sets: the training set in its
    test-time view, and that with the changes of ``evaluation = dict(test=
    dict(split='test'))`` in the configuration. Mode, batch-norm statistics
    and random states of the training stay as they are. The processes share
    the images out.

    Args:
        interval (int): Epochs between two measurements; the last epoch is
            measured too. Each extracts features of both sets, so it costs
            about as much as a forward pass over them. Defaults to 10.
        test_options (dict, optional): Changes that make the test set out of
            the training set. Defaults to None: those of the configuration.
        num_train (int, optional): Compare with that many training images,
            the same random ones each time. Defaults to None: all.
        num_test (int, optional): The same for the test images.
        transforms (Sequence[dict | Callable], optional): The test-time view,
            see :func:`~interclr_plugin.datasets.centre_view`.
        k (int): Neighbours. Defaults to 20.
        temperature (float): Of the vote. Defaults to 0.07.
        batch_size (int): Images at a time. Defaults to 256.

    Raises:
        ValueError: If an argument is outside its range; from the start of
            the training if there is no test set or there are no labels.

    Source: docs/method.md 9.1.
    """

    by_epoch = True

    def __init__(self,
                 *,
                 interval: int = 10,
                 test_options: Optional[dict] = None,
                 num_train: Optional[int] = None,
                 num_test: Optional[int] = None,
                 transforms: Optional[Sequence[Union[dict, Callable]]] = None,
                 k: int = 20,
                 temperature: float = 0.07,
                 batch_size: int = 256) -> None:
        super().__init__(interval=interval)
        for name, value in (('num_train', num_train), ('num_test', num_test),
                            ('k', k), ('batch_size', batch_size)):
            check_least(name, value, 1, "dict(type='OnlineKNNHook', {})")
        if not temperature > 0:
            raise ValueError(
                f'temperature={temperature} must be above 0. Change '
                "dict(type='OnlineKNNHook', temperature=...).")
        self.test_options = test_options
        self.num_train = num_train
        self.num_test = num_test
        self.transforms = transforms
        self.k = k
        self.temperature = temperature
        self.batch_size = batch_size

    def before_train(self, runner: Runner) -> None:
        """Build the two sets, so that what is missing is told at once."""
        try:
            test = DATASETS.build(test_set(runner.cfg, self.test_options))
            self._sets = [
                self._view(dataset, number) for dataset, number in (
                    (runner.train_dataloader.dataset, self.num_train),
                    (test, self.num_test))
            ]
        except ValueError as error:
            raise ValueError(
                f'OnlineKNNHook: {error} Or remove OnlineKNNHook from '
                'custom_hooks.') from error
        available = len(self._sets[0][1])
        if self.k > available:
            raise ValueError(
                f'k={self.k} neighbours of {available} training images; '
                f'allowed: 1 to {available}. Change '
                "dict(type='OnlineKNNHook', k=..., num_train=...).")

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        samples = []
        with whole_weights(runner):
            for view, labels in self._sets:
                features = extract_features(
                    model,
                    view,
                    batch_size=self.batch_size,
                    num_workers=runner.train_dataloader.num_workers)
                samples += [features, labels]
        # All processes have all features; one of them compares.
        score = torch.zeros((), dtype=torch.float64)
        if dist.is_main_process():
            score.fill_(
                knn_accuracy(*samples, k=self.k, temperature=self.temperature))
        score = score.to(branch.bank.labels.device)
        dist.broadcast(score)
        return {'knn/top1': float(score)}

    def _view(self, dataset: Any,
              number: Optional[int]) -> Tuple[Dataset, np.ndarray]:
        view = centre_view(dataset, self.transforms)
        labels = true_labels(view)
        if number is None or number >= len(view):
            return view, labels
        chosen = np.random.RandomState(0).permutation(len(view))[:number]
        return Subset(view, chosen.tolist()), labels[chosen]

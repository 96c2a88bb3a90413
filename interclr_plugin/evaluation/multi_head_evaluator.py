"""Accuracy of several classifiers at once, as the multi-head benchmark has."""
from typing import Any, Dict, Optional, Sequence

from mmengine.evaluator import Evaluator
from mmengine.registry import EVALUATOR
from mmengine.structures import BaseDataElement


@EVALUATOR.register_module()
class MultiHeadEvaluator:
    """Score each head of mmselfsup's ``MultiClsHead`` by metrics of its own.

    The stock configurations for linear classification of several levels of a
    backbone name this class; mmselfsup 1.0.0 was released without it.

    Args:
        metrics (dict[str, dict]): Per head (``head1`` reads the predictions
            that the model calls ``head1_pred_label``) the configuration of a
            metric, such as ``dict(type='mmcls.Accuracy', topk=(1, 5))``.

    Raises:
        ValueError: ``metrics`` is not such a dict.
    """

    def __init__(self, metrics: Dict[str, dict]) -> None:
        if 'type' in metrics or not all(
                isinstance(metric, dict) for metric in metrics.values()):
            raise ValueError(
                f'metrics={metrics!r}: allowed is the name of a head with a '
                "metric, head4=dict(type='mmcls.Accuracy'), for each head. "
                "Change val_evaluator=dict(type='MultiHeadEvaluator', "
                'metrics=...).')
        self._evaluators = {
            head: Evaluator(metric)
            for head, metric in metrics.items()
        }

    @property
    def dataset_meta(self) -> Optional[dict]:
        """dict, optional: Meta information of the dataset."""
        return next(iter(self._evaluators.values())).dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        for evaluator in self._evaluators.values():
            evaluator.dataset_meta = meta

    def process(self,
                data_samples: Sequence[BaseDataElement],
                data_batch: Optional[Any] = None) -> None:
        """Take the predictions of a batch.

        Args:
            data_samples (Sequence[BaseDataElement]): B samples with a
                prediction of each head.
            data_batch (Any, optional): What the model was given.
        """
        samples = [sample.to_dict() for sample in data_samples]
        for head, evaluator in self._evaluators.items():
            name = f'{head}_pred_label'
            if name not in samples[0]:
                heads = [key for key in samples[0] if key.startswith('head')]
                raise ValueError(
                    f'metrics: there is no {head}; the model predicts '
                    f'{heads}. Change val_evaluator=dict(metrics=...).')
            evaluator.process(
                [{**sample, 'pred_label': sample[name]} for sample in samples],
                data_batch)

    def evaluate(self, size: int) -> Dict[str, float]:
        """Compute the scores of all batches.

        Args:
            size (int): Images in the dataset.

        Returns:
            dict[str, float]: The metrics' own names after the head's:
            ``head1/accuracy/top1``.
        """
        return {
            f'{head}/{name}': value
            for head, evaluator in self._evaluators.items()
            for name, value in evaluator.evaluate(size).items()
        }

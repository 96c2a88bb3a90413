"""How good frozen features are: kNN and linear top-1 accuracy.

``python -m interclr_plugin evaluate CONFIG CHECKPOINT`` prints what
:func:`evaluate` returns. The way through: :mod:`.benchmark` builds backbone
and datasets from a configuration, :mod:`.features` extracts, :mod:`.probes`
scores.
"""
from .benchmark import evaluate
from .features import extract_features
from .probes import knn_accuracy, linear_accuracy

__all__ = [
    'evaluate', 'extract_features', 'knn_accuracy', 'linear_accuracy'
]

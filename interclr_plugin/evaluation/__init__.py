"""How good frozen features are: kNN and linear top-1 accuracy.
"""
from .benchmark import evaluate
from .features import extract_features
from .probes import knn_accuracy, linear_accuracy

__all__ = [
    'evaluate', 'extract_features', 'knn_accuracy', 'linear_accuracy'
]

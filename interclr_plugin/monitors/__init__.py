"""What is measured while a model trains, and when a number is an alarm."""
from .alarm_hook import AlarmHook
from .cluster_monitor import ClusterMonitor
from .label_monitor import LabelMonitor
from .montage_monitor import MontageMonitor
from .online_knn_hook import OnlineKNNHook
from .pair_monitor import PairMonitor
from .representation_monitor import RepresentationMonitor

__all__ = [
    'AlarmHook', 'ClusterMonitor', 'LabelMonitor', 'MontageMonitor',
    'OnlineKNNHook', 'PairMonitor', 'RepresentationMonitor'
]

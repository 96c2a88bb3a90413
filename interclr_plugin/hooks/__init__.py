"""When things happen; the modules know how."""
from .alarm_hook import AlarmHook
from .cluster_monitor import ClusterMonitor
from .exact_resume_hook import ExactResumeHook
from .label_monitor import LabelMonitor
from .memory_bank_hook import MemoryBankHook
from .online_knn_hook import OnlineKNNHook
from .pair_monitor import PairMonitor
from .representation_monitor import RepresentationMonitor

__all__ = [
    'AlarmHook', 'ClusterMonitor', 'ExactResumeHook', 'LabelMonitor',
    'MemoryBankHook', 'OnlineKNNHook', 'PairMonitor', 'RepresentationMonitor'
]

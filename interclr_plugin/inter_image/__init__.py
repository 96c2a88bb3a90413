"""The paper, in pure PyTorch: it knows neither library."""
from .branch import InterImageBranch
from .label_updaters import OfflineKMeans, OnlineKMeans
from .margin_nce_loss import MarginNCELoss
from .memory_bank import MemoryBank
from .pair_sampler import PairSampler
from .proposal import propose

__all__ = [
    'InterImageBranch', 'MarginNCELoss', 'MemoryBank', 'OfflineKMeans',
    'OnlineKMeans', 'PairSampler', 'propose'
]

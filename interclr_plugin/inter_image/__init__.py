"""The paper, in pure PyTorch: it knows neither library."""
from .branch import InterImageBranch
from .clustered_bank import ClusteredBank
from .label_updaters import OfflineKMeans, OnlineKMeans
from .margin_nce_loss import MarginNCELoss
from .pair_sampler import PairSampler
from .proposal import propose
from .sharded_bank import ShardedMemoryBank

__all__ = [
    'ClusteredBank', 'InterImageBranch', 'MarginNCELoss', 'OfflineKMeans',
    'OnlineKMeans', 'PairSampler', 'ShardedMemoryBank', 'propose'
]

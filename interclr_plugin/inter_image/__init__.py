"""The paper, in pure PyTorch: it knows neither library."""
from .branch import InterImageBranch
from .clustered_bank import ClusteredBank
from .label_updaters import OfflineKMeans, OnlineKMeans
from .margin_nce_loss import MarginNCELoss
from .pair_sampler import PairSampler
from .proposal import propose
from .relation_loss import RelationLoss
from .relation_sampler import RelationSampler
from .sampler import Sampler
from .sharded_bank import ShardedMemoryBank
from .whitening import Whitening

__all__ = [
    'ClusteredBank', 'InterImageBranch', 'MarginNCELoss', 'OfflineKMeans',
    'OnlineKMeans', 'PairSampler', 'RelationLoss', 'RelationSampler',
    'Sampler', 'ShardedMemoryBank', 'Whitening', 'propose'
]

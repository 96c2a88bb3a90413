"""Who owns the pseudo-labels and the centroids, and when they move."""
from typing import Callable, Dict, Optional

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.registry import MODELS
from torch import Tensor, nn

from . import kmeans

# Released: 20 members of 128 on average.
_RELEASED_MIN_SIZE = 20
_RELEASED_SHARE = 20 / 128


@MODELS.register_module()
class OnlineKMeans(nn.Module):
    """Mini-batch k-means: labels move with every batch.

    Three cadences: each step the batch's images take the centroid with the
    largest dot product; every ``small_cluster_interval`` steps small clusters
    are dissolved and refilled; every ``centroid_interval`` steps all
    centroids become the means of their members.

    Buffers: ``labels`` (N,), ``centroids`` (C, D).

    Args:
        num_clusters (int): C, at least 2.
        min_cluster_size (int, optional): A cluster with fewer members is
            dissolved; at most N / C, else no partition would do. Defaults to
            None: 20 as released, or the released share of the average size
            (20 of 128) where that is less.
        centroid_interval (int): Steps. Defaults to 10.
        small_cluster_interval (int): Steps. Defaults to 1.
        geometry (str): What features are compared with: ``'plain'``, the
            means of the members as released, or ``'spherical'``, the means
            scaled to unit length. A tight cluster has a long mean, which
            attracts members of loose ones. Defaults to ``'plain'``.

    Raises:
        ValueError: If an argument is outside its range, or (from
            :meth:`allocate`) impossible for the data set.

    Source: METHOD.md 3; Zhan et al., Online Deep Clustering, CVPR 2020.
    """

    labels: Tensor
    centroids: Tensor

    def __init__(self,
                 *,
                 num_clusters: int,
                 min_cluster_size: Optional[int] = None,
                 centroid_interval: int = 10,
                 small_cluster_interval: int = 1,
                 geometry: str = 'plain') -> None:
        super().__init__()
        if geometry not in kmeans.GEOMETRIES:
            raise ValueError(
                f'geometry={geometry!r} is unknown; allowed: '
                f'{", ".join(map(repr, kmeans.GEOMETRIES))}. Change '
                'inter_image=dict(labels=dict(geometry=...)).')
        for name, value, least in (('num_clusters', num_clusters, 2),
                                   ('min_cluster_size', min_cluster_size, 0),
                                   ('centroid_interval', centroid_interval, 1),
                                   ('small_cluster_interval',
                                    small_cluster_interval, 1)):
            if value is not None and value < least:
                raise ValueError(f'{name}={value} must be at least {least}. '
                                 f'Change it in inter_image=dict(...).')
        self.num_clusters = num_clusters
        self.centroid_interval = centroid_interval
        self.small_cluster_interval = small_cluster_interval
        self.geometry = geometry
        self._asked_min_size = min_cluster_size
        self.min_cluster_size = 0
        self.register_buffer('labels', torch.zeros(0, dtype=torch.long))
        self.register_buffer('centroids', torch.zeros(0, 0))

    def allocate(self, num_images: int, feat_dim: int) -> None:
        """Give the buffers their final size.

        Args:
            num_images (int): N, at least C.
            feat_dim (int): D.
        """
        if num_images < self.num_clusters:
            raise ValueError(
                f'num_clusters={self.num_clusters} for {num_images} images; '
                f'allowed: 2 to {num_images}. Change '
                'inter_image=dict(num_clusters=...).')
        average = num_images / self.num_clusters
        least = self._asked_min_size
        if least is None:
            least = min(_RELEASED_MIN_SIZE, round(_RELEASED_SHARE * average))
        if least > average:
            raise ValueError(
                f'min_cluster_size={least} is more than the {average:.4g} '
                f'images that {self.num_clusters} clusters of {num_images} '
                f'images have on average; allowed: 0 to {int(average)}. '
                'Change inter_image=dict(labels=dict(min_cluster_size=...)).')
        self.min_cluster_size = least
        self.labels = self.labels.new_zeros(num_images)
        self.centroids = self.centroids.new_zeros(self.num_clusters, feat_dim)

    def first_clustering(
            self,
            features: Tensor,
            generator: torch.Generator,
            progress: Callable[[], None] = lambda: None) -> None:
        """Cluster all features from nothing; no cluster comes out empty.

        Args:
            features (Tensor): (N, D) unit rows.
            generator (torch.Generator): The same on every process.
            progress (Callable): Called after each of the 20 iterations.
        """
        labels, centroids = kmeans.fit(
            features,
            self.num_clusters,
            generator,
            geometry=self.geometry,
            progress=progress)
        self.labels.copy_(labels)
        self.centroids.copy_(centroids)

    def assign(self, rows: Tensor) -> Tensor:
        """Compute the labels of some features, without storing them.

        Args:
            rows (Tensor): (B, D) unit rows.

        Returns:
            Tensor: (B,) cluster numbers.
        """
        return kmeans.assign(rows, self._compared())

    def write(self, index: Tensor, labels: Tensor) -> Tensor:
        """Store labels.

        Args:
            index (Tensor): (n,) positions in the training set; where one
                repeats, its labels must be equal.
            labels (Tensor): (n,) cluster numbers.

        Returns:
            Tensor: () share of them that changed.
        """
        changed = (self.labels[index] != labels).float().mean()
        self.labels[index] = labels
        return changed

    def after_step(self, step: int, features: Tensor,
                   generator: torch.Generator) -> None:
        """Do what is due after a training step.

        Args:
            step (int): Steps so far, this one included.
            features (Tensor): (N, D) the bank.
            generator (torch.Generator): The same on every process.
        """
        if step % self.small_cluster_interval == 0:
            self.repair_small_clusters(features, generator)
        if step % self.centroid_interval == 0:
            self.update_centroids(features)

    def update_centroids(self, features: Tensor) -> None:
        """Make every centroid the mean of its members.

        Args:
            features (Tensor): (N, D) the bank.
        """
        self.centroids.copy_(
            kmeans.means_of_members(features, self.labels, self.centroids))

    def repair_small_clusters(self, features: Tensor,
                              generator: torch.Generator) -> None:
        """Dissolve small clusters and refill them from large ones.

        The members of a small cluster go to the nearest centroid among the
        clusters that are not small; the emptied ones take pieces of the
        largest (:func:`kmeans.refill`, which departs from METHOD.md 3 as its
        docstring says). The centroids of all clusters whose members changed
        are recomputed, of those that received members too: the released code
        leaves these stale.

        Args:
            features (Tensor): (N, D) the bank.
            generator (torch.Generator): The same on every process.
        """
        small = self.sizes() < max(self.min_cluster_size, 1)
        # The one wait for the device: without small clusters nothing follows.
        if not small.any():
            return
        before = self.labels.clone()
        homeless = small[self.labels].nonzero().flatten()
        if len(homeless):
            nearest = kmeans.assign(
                features[homeless], self._compared(), allowed=~small)
            dist.broadcast(nearest)
            self.labels[homeless] = nearest
        self.labels.copy_(
            kmeans.refill(features, self.labels, self.num_clusters,
                          generator))
        moved = before != self.labels
        touched = torch.zeros_like(small)
        touched[before[moved]] = True
        touched[self.labels[moved]] = True
        self.centroids.copy_(
            kmeans.means_of_members(
                features,
                self.labels,
                self.centroids,
                members=touched[self.labels].nonzero().flatten()))

    def _compared(self) -> Tensor:
        if self.geometry == 'spherical':
            return F.normalize(self.centroids, dim=1)
        return self.centroids

    def sizes(self) -> Tensor:
        """Count the members of each cluster.

        Returns:
            Tensor: (C,) integers summing to N.
        """
        return torch.bincount(self.labels, minlength=self.num_clusters)

    def statistics(self) -> Dict[str, float]:
        """Describe the clusters.

        Returns:
            dict: Smallest and largest size, and how many clusters are small.
        """
        sizes = self.sizes()
        small = (sizes < self.min_cluster_size).sum()
        smallest, largest, count = torch.stack(
            (sizes.min(), sizes.max(), small)).tolist()
        return dict(
            cluster_size_min=smallest,
            cluster_size_max=largest,
            small_clusters=count)

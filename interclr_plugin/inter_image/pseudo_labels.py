"""The state that every way of making pseudo-labels shares."""
from typing import Callable, Dict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import kmeans
from .members import Members


def check_least(name: str, value: int, least: int) -> None:
    if value < least:
        place = f'{name}=...'
        if name != 'num_clusters':
            place = f'labels=dict({place})'
        raise ValueError(f'{name}={value} must be at least {least}. Change '
                         f'inter_image=dict({place}).')


class PseudoLabels(nn.Module):
    """Labels and centroids; a subclass says when they move.

    Buffers: ``labels`` (N,), ``centroids`` (C, D).

    Args:
        num_clusters (int): C, at least 2.
        geometry (str): What features are compared with: ``'plain'``, the
            means of the members as released, or ``'spherical'``, the means
            scaled to unit length. A tight cluster has a long mean, which
            attracts members of loose ones. Defaults to ``'plain'``.

    Raises:
        ValueError: If an argument is outside its range, or (from
            :meth:`allocate`) impossible for the data set.
    """

    labels: Tensor
    centroids: Tensor

    def __init__(self, *, num_clusters: int, geometry: str = 'plain') -> None:
        super().__init__()
        check_least('num_clusters', num_clusters, 2)
        if geometry not in kmeans.GEOMETRIES:
            raise ValueError(
                f'geometry={geometry!r} is unknown; allowed: '
                f'{", ".join(map(repr, kmeans.GEOMETRIES))}. Change '
                'inter_image=dict(labels=dict(geometry=...)).')
        self.num_clusters = num_clusters
        self.geometry = geometry
        # A cluster with fewer members counts as small.
        self.min_cluster_size = 1
        # Images that repairs of small clusters moved since the start.
        self.num_repaired = 0
        self.members = Members()
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

    def assign(self, index: Tensor, rows: Tensor) -> Tensor:
        """Compute the labels that a batch's images get, without storing them.

        Args:
            index (Tensor): (B,) positions in the training set.
            rows (Tensor): (B, D) their new features, unit rows.

        Returns:
            Tensor: (B,) cluster numbers.
        """
        raise NotImplementedError

    def before_write(self, index: Tensor, features: Tensor) -> None:
        """Hear that features and labels of some images are to be written.

        Args:
            index (Tensor): (n,) positions in the training set.
            features (Tensor): (N, D) the bank, as it still is.
        """

    def write(self, index: Tensor, labels: Tensor,
              features: Tensor) -> Tensor:
        """Store labels.

        Args:
            index (Tensor): (n,) positions in the training set; where one
                repeats, its labels must be equal.
            labels (Tensor): (n,) cluster numbers.
            features (Tensor): (N, D) the bank, as it is now.

        Returns:
            Tensor: () share of them that changed.
        """
        before = self.labels[index]
        self.labels[index] = labels
        self.members.record(index, before, self.labels)
        return (before != labels).float().mean()

    def after_step(self, step: int, features: Tensor,
                   generator: torch.Generator) -> None:
        """Do what is due after a training step; by default nothing.

        Args:
            step (int): Steps so far, this one included.
            features (Tensor): (N, D) the bank.
            generator (torch.Generator): The same on every process.
        """

    def wants_clustering(self, epoch: int) -> bool:
        """Tell whether all features shall be extracted and clustered anew.

        Args:
            epoch (int): Epochs so far, the one that just ended included.
        """
        return False

    def compared_centroids(self) -> Tensor:
        """Give what features are compared with.

        Returns:
            Tensor: (C, D).
        """
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
            dict: By the names under which it is logged: smallest and largest
            size, and how many clusters are small.
        """
        sizes = self.sizes()
        small = (sizes < self.min_cluster_size).sum()
        smallest, largest, count = torch.stack(
            (sizes.min(), sizes.max(), small)).tolist()
        return {
            'clusters/smallest': smallest,
            'clusters/largest': largest,
            'clusters/small': count
        }

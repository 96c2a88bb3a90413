"""What every way of making pseudo-labels decides, and what by default."""
from typing import Callable, Dict

import torch
import torch.nn.functional as F
from torch import Tensor

from ..settings import check_known, check_least
from . import kmeans
from .clustered_bank import ClusteredBank

PLACE = 'inter_image=dict(labels=dict({}))'


class PseudoLabels:
    """Which label an image gets, and when labels and centroids move.

    It holds no state of its own: labels and centroids are the bank's.

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

    def __init__(self, *, num_clusters: int, geometry: str = 'plain') -> None:
        check_least('num_clusters', num_clusters, 2, 'inter_image=dict({})')
        check_known('geometry', geometry, kmeans.GEOMETRIES, PLACE)
        self.num_clusters = num_clusters
        self.geometry = geometry
        # A cluster with fewer members counts as small.
        self.min_cluster_size = 1
        # Images that repairs of small clusters moved since the start.
        self.num_repaired = 0

    def allocate(self, num_images: int) -> None:
        """Set what depends on the size of the data set.

        Args:
            num_images (int): N, at least C.
        """
        if num_images < self.num_clusters:
            raise ValueError(
                f'num_clusters={self.num_clusters} for {num_images} images; '
                f'allowed: 2 to {num_images}. Change '
                'inter_image=dict(num_clusters=...).')

    def first_clustering(
            self,
            bank: ClusteredBank,
            generator: torch.Generator,
            progress: Callable[[], None] = lambda: None) -> None:
        """Cluster all features from nothing; no cluster comes out empty.

        Args:
            bank (ClusteredBank): Filled.
            generator (torch.Generator): The same on every process.
            progress (Callable): Called after each of the 20 iterations.
        """
        labels, centroids = kmeans.fit(
            bank.rows,
            self.num_clusters,
            generator,
            geometry=self.geometry,
            progress=progress)
        bank.load(labels=labels, centroids=centroids)

    def assign(self, bank: ClusteredBank, index: Tensor,
               rows: Tensor) -> Tensor:
        """Compute the labels that a batch's images get, without storing them.

        Args:
            bank (ClusteredBank): As it was before this batch.
            index (Tensor): (B,) positions in the training set.
            rows (Tensor): (B, D) their new features, unit rows.

        Returns:
            Tensor: (B,) cluster numbers.
        """
        raise NotImplementedError

    def after_step(self, bank: ClusteredBank, step: int,
                   generator: torch.Generator) -> None:
        """Do what is due after a training step; by default nothing.

        Args:
            bank (ClusteredBank): Written to.
            step (int): Steps so far, this one included.
            generator (torch.Generator): The same on every process.
        """

    def wants_clustering(self, epoch: int) -> bool:
        """Tell whether all features shall be extracted and clustered anew.

        Args:
            epoch (int): Epochs so far, the one that just ended included.
        """
        return False

    def compared_centroids(self, bank: ClusteredBank) -> Tensor:
        """Give what features are compared with.

        Args:
            bank (ClusteredBank): Whose centroids.

        Returns:
            Tensor: (C, D).
        """
        if self.geometry == 'spherical':
            return F.normalize(bank.centroids, dim=1)
        return bank.centroids

    def statistics(self, bank: ClusteredBank) -> Dict[str, float]:
        """Describe the clusters.

        Args:
            bank (ClusteredBank): Whose.

        Returns:
            dict: By the names under which it is logged: smallest and largest
            size, and how many clusters are small.
        """
        sizes = bank.sizes()
        small = (sizes < self.min_cluster_size).sum()
        smallest, largest, count = torch.stack(
            (sizes.min(), sizes.max(), small)).tolist()
        return {
            'clusters/smallest': smallest,
            'clusters/largest': largest,
            'clusters/small': count
        }

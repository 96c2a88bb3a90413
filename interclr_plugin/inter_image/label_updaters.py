"""When labels and centroids move: with every batch, or now and then."""
from typing import Optional

import torch
from mmengine.registry import MODELS
from torch import Tensor

from ..settings import check_least, written_in
from . import kmeans
from .clustered_bank import ClusteredBank
from .pseudo_labels import PLACE, PseudoLabels
from .splitting import refill

# Released: 20 members of 128 on average.
_RELEASED_MIN_SIZE = 20
_RELEASED_SHARE = 20 / 128
# Images x clusters that one repair compares: 17 GFLOP at width 128, some times
# what a step does at a million clusters' size, and more than any repair of
# ImageNet's size or less needs but for the first ones.
_MOST_COMPARED = 1 << 26
# Members of the clusters that one repair cuts: some times a step, too. Only
# where most images are in a few clusters there are more.
_MOST_CUT = 1 << 18


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(labels=dict({})))')
class OfflineKMeans(PseudoLabels):
    """DeepCluster's labels: clustered anew on fresh features now and then.

    Args:
        num_clusters (int): C, at least 2.
        interval (int): Epochs between two clusterings. Defaults to 1.
        geometry (str): As for :class:`PseudoLabels`.

    Source: docs/method.md 3.5; Caron et al., DeepCluster, ECCV 2018.
    """

    def __init__(self,
                 *,
                 num_clusters: int,
                 interval: int = 1,
                 geometry: str = 'plain') -> None:
        super().__init__(num_clusters=num_clusters, geometry=geometry)
        check_least('interval', interval, 1, PLACE)
        self.interval = interval

    def assign(self, bank: ClusteredBank, index: Tensor,
               rows: Tensor) -> Tensor:
        return bank.labels_of(index)

    def wants_clustering(self, epoch: int) -> bool:
        return epoch % self.interval == 0


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(labels=dict({})))')
class OnlineKMeans(PseudoLabels):
    """Mini-batch k-means: labels move with every batch.

    Three cadences: each step the batch's images take the centroid with the
    largest dot product; every ``small_cluster_interval`` steps small clusters
    are dissolved and refilled; every ``centroid_interval`` steps all
    centroids become the means of their members.

    Args:
        num_clusters (int): C, at least 2.
        min_cluster_size (int, optional): A cluster with fewer members is
            dissolved; at most half of the average size N / C, so that one
            repair leaves no small cluster behind. Defaults to None: 20 as
            released, or the released share of the average size (20 of 128)
            where that is less.
        centroid_interval (int): Steps. Defaults to 10.
        small_cluster_interval (int): Steps. Defaults to 1.
        geometry (str): As for :class:`PseudoLabels`.

    Source: docs/method.md 3.3; Zhan et al., Online Deep Clustering, CVPR 2020.
    """

    def __init__(self,
                 *,
                 num_clusters: int,
                 min_cluster_size: Optional[int] = None,
                 centroid_interval: int = 10,
                 small_cluster_interval: int = 1,
                 geometry: str = 'plain') -> None:
        super().__init__(num_clusters=num_clusters, geometry=geometry)
        check_least('min_cluster_size', min_cluster_size, 0, PLACE)
        check_least('centroid_interval', centroid_interval, 1, PLACE)
        check_least('small_cluster_interval', small_cluster_interval, 1,
                    PLACE)
        self.centroid_interval = centroid_interval
        self.small_cluster_interval = small_cluster_interval
        self._asked_min_size = min_cluster_size

    def allocate(self, num_images: int) -> None:
        super().allocate(num_images)
        average = num_images / self.num_clusters
        least = self._asked_min_size
        if least is None:
            least = min(_RELEASED_MIN_SIZE, round(_RELEASED_SHARE * average))
        # With e clusters empty the others hold at least N/m - (C - e) whole
        # pieces of m members; all C are served where that is C or more, so
        # for every e where m <= N / 2C.
        if least > average / 2:
            raise ValueError(
                f'min_cluster_size={least} is more than half of the '
                f'{average:.4g} images that {self.num_clusters} clusters of '
                f'{num_images} images have on average: small clusters could '
                'not be refilled by cutting large ones. Allowed: 0 to '
                f'{int(average / 2)}. Change inter_image=dict(labels=dict('
                'min_cluster_size=...)).')
        self.min_cluster_size = least

    def assign(self, bank: ClusteredBank, index: Tensor,
               rows: Tensor) -> Tensor:
        return kmeans.assign(rows, self.compared_centroids(bank))

    def after_step(self, bank: ClusteredBank, step: int,
                   generator: torch.Generator) -> None:
        if step % self.small_cluster_interval == 0:
            self.repair_small_clusters(bank, generator)
        if step % self.centroid_interval == 0:
            bank.renew_centroids()

    def repair_small_clusters(self, bank: ClusteredBank,
                              generator: torch.Generator) -> None:
        """Dissolve small clusters and refill them from large ones.

        The members of a small cluster go to the nearest centroid among the
        clusters that are not small; the emptied ones take pieces of the
        largest (:func:`splitting.refill`, which differs from the released
        code, docs/method.md 10.6). No small cluster is left, or, where so
        many are small that one step would take long, the larger of them wait
        for the next repair. Of clusters with very many members a part is cut
        and the rest stays, to find its centroid when it is seen again. The
        centroids of all clusters whose members changed are recomputed, of
        those that received members too: the released code leaves these stale.

        Args:
            bank (ClusteredBank): Clustered.
            generator (torch.Generator): The same on every process.
        """
        small = bank.sums.sizes < max(self.min_cluster_size, 1)
        # The one wait for the device: without small clusters nothing follows.
        if not small.any():
            return
        chosen = self._first_of(small, bank.sums.sizes)
        homeless = bank.members.of(chosen, bank.labels)
        centroids = self.compared_centroids(bank)
        nearest = bank.rows.work_out(
            homeless, lambda rows, _: kmeans.assign(
                rows, centroids, allowed=~small))
        bank.write(homeless, None, nearest)
        images, pieces = refill(bank.rows, bank.labels, bank.sums.sizes,
                                generator, bank.members, len(chosen),
                                _MOST_CUT, self.min_cluster_size)
        moves = pieces != bank.labels[images]
        bank.write(images[moves], None, pieces[moves])
        self.num_repaired += len(torch.cat((homeless, images[moves])).unique())
        bank.renew_centroids(torch.cat((nearest, pieces)).unique())

    def _first_of(self, small: Tensor, sizes: Tensor) -> Tensor:
        """Choose the clusters that a repair takes: ascending (n,) numbers.

        Those with the fewest members come first. It follows from the sizes
        alone, so a resumed run goes on where it was.
        """
        numbers = small.nonzero().flatten()
        order = torch.argsort(sizes[numbers], stable=True)
        # A cluster costs about eight images beside its members: a cut.
        cost = (sizes[numbers][order] + 8).cumsum(0) * self.num_clusters
        taken = max(1, int((cost <= _MOST_COMPARED).sum()))
        return numbers[order[:taken]].sort().values

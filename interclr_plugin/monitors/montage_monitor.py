"""A picture of the clusters, while they form."""
from typing import Dict

import numpy as np
import torch
from mmengine import dist
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from PIL import Image
from torch import Tensor, nn

from ..datasets import centre_view
from ..inter_image import InterImageBranch
from ..results.bank import Bank, similarity_to_centroid
from ..results.cluster_table import ranks
from ..results.members import choose_clusters
from ..results.pictures import pixels, reads_bgr
from ..results.training_set import view_transforms
from ..settings import check_least
from .monitor import Monitor

# Pixels between pictures.
_GAP = 2


@HOOKS.register_module()
class MontageMonitor(Monitor):
    """Show members of clusters in every visualisation backend.

    ``clusters_montage.png``, an image: a row for each of some clusters, at
    even steps from the largest to the smallest; in it the images nearest to
    the centroid, nearest first, in their test-time view. The local backend
    writes it as a file, TensorBoard, Weights & Biases and MLflow show it.

    Args:
        interval (int): Epochs between two pictures; the last epoch has one
            too. Defaults to 10.
        clusters (int): Rows, at most. Defaults to 12.
        members (int): Images of a row, at most. Defaults to 10.
        size (int): Pixels along the edge of an image. Defaults to 64.

    Raises:
        ValueError: If an argument is below 1.
    """

    by_epoch = True

    def __init__(self,
                 *,
                 interval: int = 10,
                 clusters: int = 12,
                 members: int = 10,
                 size: int = 64) -> None:
        super().__init__(interval=interval)
        for name, value in (('clusters', clusters), ('members', members),
                            ('size', size)):
            check_least(name, value, 1, "dict(type='MontageMonitor', {})")
        self.clusters = clusters
        self.members = members
        self.size = size

    def measure(self, runner: Runner, model: nn.Module,
                branch: InterImageBranch) -> Dict[str, float]:
        bank = branch.bank
        # All processes compute; one draws.
        similarity = bank.rows.work_out(
            torch.arange(bank.num_images, device=bank.labels.device),
            lambda rows, its: similarity_to_centroid(
                Bank(rows, bank.labels_of(its), bank.centroids, 0)))
        if dist.is_main_process():
            # MLflow takes the kind of the file from the name's end; a slash
            # would be a folder that the local backend does not make.
            runner.visualizer.add_image(
                'clusters_montage.png',
                self._draw(runner, bank.labels.cpu(), similarity.cpu()),
                step=runner.iter + 1)
        return {}

    def _draw(self, runner: Runner, labels: Tensor,
              similarity: Tensor) -> np.ndarray:
        places = ranks(labels.numpy(), similarity.numpy())
        chosen = choose_clusters(labels, self.clusters)
        view = centre_view(runner.train_dataloader.dataset,
                           view_transforms(runner.cfg))
        is_bgr = reads_bgr(runner.cfg)
        step = self.size + _GAP
        sheet = np.full(
            (len(chosen) * step, self.members * step, 3), 255, np.uint8)
        for row, cluster in enumerate(chosen):
            index = np.flatnonzero(labels.numpy() == cluster)
            nearest = index[np.argsort(places[index])][:self.members]
            for column, image in enumerate(nearest.tolist()):
                picture = Image.fromarray(pixels(view[image], is_bgr))
                top, left = row * step, column * step
                sheet[top:top + self.size, left:left + self.size] = np.asarray(
                    picture.resize((self.size, self.size), Image.BILINEAR))
        return sheet

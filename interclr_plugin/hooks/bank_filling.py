"""How the bank is filled from the data set, and clustered."""
from typing import Optional, Sequence

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmengine.utils import ProgressBar
from torch import nn

from ..datasets.centre_view import centre_view, to_model_inputs
from ..datasets.extraction import extract_batches
from ..runner import whole_weights
from .log_line import clusters_in_words


def fill(model: nn.Module, runner: Runner,
         transforms: Optional[Sequence[dict]], batch_size: int) -> None:
    """Store features of all images, as the model sees them now.

    Args:
        model (nn.Module): Its bank is written.
        runner (Runner): Its training set is read.
        transforms (Sequence[dict], optional): As for :func:`centre_view`.
        batch_size (int): Images at once.
    """
    branch = model.inter_image
    runner.logger.info(
        f'Filling the memory bank with {branch.num_images} images.')
    # Each batch goes straight to its rows: features of all images beside the
    # bank would take as much memory again, and more in float32.
    with whole_weights(runner):
        for rows, features in extract_batches(
                centre_view(runner.train_dataloader.dataset, transforms),
                model,
                lambda batch: model.project(to_model_inputs(model, batch)),
                batch_size=batch_size,
                num_workers=runner.train_dataloader.num_workers,
                items=branch.bank.rows.part,
                progress=_Progress(branch.num_images)):
            branch.fill(features, rows)
    branch.bank.rows.share()


def cluster(model: nn.Module, runner: Runner) -> None:
    """Cluster the bank as it is, from nothing.

    Args:
        model (nn.Module): Its bank is clustered.
        runner (Runner): Told what comes out.
    """
    branch = model.inter_image
    runner.logger.info('First clustering of the memory bank into '
                       f'{branch.labels.num_clusters} clusters.')
    branch.first_clustering(_Progress(20))
    branch.prepare()
    runner.logger.info(clusters_in_words(branch.bank.sizes()))


class _Progress:
    """A bar on the main process, nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self.bar = ProgressBar(total) if is_main_process() else None

    def __call__(self, done: int = 1) -> None:
        if self.bar is not None:
            left = self.bar.task_num - self.bar.completed
            self.bar.update(min(done, left))

"""The hook that gives the inter-image branch its data and its cadence."""
from typing import Optional, Sequence

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner
from mmengine.utils import ProgressBar
from torch import nn

from ..checkpoints.whole_checkpoint import require_whole_checkpoint
from ..datasets.centre_view import centre_view, to_model_inputs
from ..datasets.extraction import extract
from ..datasets.fingerprint import fingerprint, in_words
from ..datasets.sample_index import num_distinct_images, turn_on_sample_index
from ..inter_image import OfflineKMeans
from ..runner import log_scalars, unwrap

FIRST_CLUSTERINGS = ('extraction', 'bank')


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Size and fill the memory bank, and keep its labels' cadence.

    Args:
        warmup_epochs (int): Epochs at the start with the stock loss alone;
            the bank and the labels are updated all the same. Defaults to 0.
        first_clustering (str): What the first clustering clusters.
            ``'extraction'``: features of all images, extracted before
            training, as released. ``'bank'``: the keys that the first epoch
            stored; that epoch runs with the stock loss alone. Defaults to
            ``'extraction'``.
        transforms (Sequence[dict], optional): What loads an image and makes
            its test-time view for the first clustering. Defaults to None:
            derived from the training pipeline
            (:func:`~interclr_plugin.datasets.centre_view`).
        batch_size (int): Images at once for the first clustering. Defaults
            to 256.
        statistics_interval (int): Steps between two measurements of the
            cluster sizes. Defaults to 50.
        accept_other_images (bool): Resume although the data set's list of
            images, or its order, is not the checkpoint's. Rows of the bank
            are an image's by its position, so those of moved images are
            wrong until they are seen again. Defaults to False: an error.

    Raises:
        ValueError: If an argument is outside its range; from the run's start
            if the data set does not fit the configuration.

    Source: METHOD.md 1-3; DESIGN.md 3.
    """

    # Before EMAHook copies the model, which then has the bank's final size.
    priority = 'ABOVE_NORMAL'

    def __init__(self,
                 *,
                 warmup_epochs: int = 0,
                 first_clustering: str = 'extraction',
                 transforms: Optional[Sequence[dict]] = None,
                 batch_size: int = 256,
                 statistics_interval: int = 50,
                 accept_other_images: bool = False) -> None:
        for name, value, least in (('warmup_epochs', warmup_epochs, 0),
                                   ('batch_size', batch_size, 1),
                                   ('statistics_interval',
                                    statistics_interval, 1)):
            if value < least:
                raise ValueError(
                    f'{name}={value} must be at least {least}. Change '
                    f"dict(type='MemoryBankHook', {name}=...).")
        if first_clustering not in FIRST_CLUSTERINGS:
            raise ValueError(
                f'first_clustering={first_clustering!r} is unknown; allowed: '
                f'{", ".join(map(repr, FIRST_CLUSTERINGS))}. Change '
                "dict(type='MemoryBankHook', first_clustering=...).")
        self.first_clustering = first_clustering
        # Before there are clusters there are no pairs.
        least = 1 if first_clustering == 'bank' else 0
        self.warmup_epochs = max(warmup_epochs, least)
        self.transforms = transforms
        self.batch_size = batch_size
        self.statistics_interval = statistics_interval
        self.accept_other_images = accept_other_images

    def before_run(self, runner: Runner) -> None:
        """Size the bank: buffers need their final size before a resume.

        Only a whole checkpoint is loaded.
        """
        if not isinstance(runner._train_loop, BaseLoop):
            return  # a test run has no training set
        require_whole_checkpoint(runner)
        model = unwrap(runner)
        if getattr(runner.model, 'broadcast_buffers', False):
            runner.logger.warning(
                'The model wrapper broadcasts all buffers at each step, the '
                'memory bank included. Add broadcast_buffers=False to '
                'model_wrapper_cfg.')
        dataset = runner.train_dataloader.dataset
        if len(runner.train_dataloader) == 0:
            raise ValueError(
                f'{len(dataset)} images give no batch of '
                f'{runner.train_dataloader.batch_size} and more on '
                f'{get_world_size()} processes. Lower train_dataloader=dict('
                'batch_size=...), or keep the last batch: drop_last=False.')
        turn_on_sample_index(dataset, runner.logger)
        if not model.inter_image.ready:
            model.inter_image.allocate(
                num_distinct_images(dataset), runner.seed)
            model.inter_image.images.copy_(fingerprint(dataset))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check a bank that is to be restored, leave out a foreign one."""
        if not isinstance(runner._train_loop, BaseLoop):
            return
        state = checkpoint['state_dict']
        model = unwrap(runner)
        for name, buffer in model.inter_image.named_buffers():
            name = f'inter_image.{name}'
            if not runner._resume:
                # load_from starts a new run: its bank is another data set's.
                state.pop(name, None)
            elif name in state and state[name].shape != buffer.shape:
                raise ValueError(
                    f'Cannot resume: {name} is {tuple(state[name].shape)} in '
                    f'the checkpoint and {tuple(buffer.shape)} here. Resume '
                    'with the data set and inter_image settings of the '
                    'checkpoint, or start a new run from its weights: '
                    'load_from=..., resume=False.')
        if runner._resume:
            self._check_images(model, state)

    def before_train(self, runner: Runner) -> None:
        """Fill the bank, unless a checkpoint restored it."""
        model = unwrap(runner)
        labels = model.inter_image.labels
        if isinstance(labels, OfflineKMeans) and \
                labels.interval >= runner.max_epochs:
            runner.logger.warning(
                f'interval={labels.interval} epochs between two clusterings '
                f'and max_epochs={runner.max_epochs}: the labels will stay '
                'those of the first one. Lower inter_image=dict(labels=dict('
                'interval=...)).')
        self._clustered = bool(model.inter_image.ready)
        if self._clustered:
            return
        if self.first_clustering == 'extraction':
            self._fill(model, runner)
            self._cluster(model, runner)
        elif runner.iter == 0:  # else the first epoch's keys were restored
            model.inter_image.fill()

    def before_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Tell the model whether it still warms up."""
        epoch = runner.iter // len(runner.train_dataloader)
        unwrap(runner).warming_up = epoch < self.warmup_epochs

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Stop at bad input; move small clusters and centroids when due."""
        model = unwrap(runner)
        branch = model.inter_image
        branch.raise_fault()
        _require_finite(outputs or {}, runner.iter + 1)
        if self._clustered:
            branch.after_step()
        elif runner.iter + 1 >= len(runner.train_dataloader):
            self._cluster(model, runner)
        if self._clustered and self.every_n_train_iters(
                runner, self.statistics_interval):
            log_scalars(runner, branch.labels.statistics())

    def after_train_epoch(self, runner: Runner) -> None:
        """Cluster fresh features anew, when the labels ask for it."""
        model = unwrap(runner)
        epoch = runner.epoch + 1
        if epoch < runner.max_epochs and \
                model.inter_image.labels.wants_clustering(epoch):
            self._fill(model, runner)
            self._cluster(model, runner)

    def _check_images(self, model: nn.Module, state: dict) -> None:
        images = model.inter_image.images
        before = state.get('inter_image.images', images)
        if not (self.accept_other_images or before.cpu().equal(images.cpu())):
            raise ValueError(
                'Cannot resume: the images or their order changed. '
                f'Fingerprint in the checkpoint: {in_words(before)}, now: '
                f'{in_words(images)}. Resume with the data set of the '
                'checkpoint; start a new run from its weights, load_from=..., '
                'resume=False; or, if the order is the same, set '
                "custom_hooks=[dict(type='MemoryBankHook', "
                'accept_other_images=True)].')
        state['inter_image.images'] = images.clone()

    def _fill(self, model: nn.Module, runner: Runner) -> None:
        branch = model.inter_image
        runner.logger.info(
            f'Filling the memory bank with {branch.num_images} images.')
        dataset = centre_view(runner.train_dataloader.dataset,
                              self.transforms)
        bar = _Progress(branch.num_images)
        features = extract(
            dataset,
            model,
            lambda batch: model.project(to_model_inputs(model, batch)),
            batch_size=self.batch_size,
            num_workers=runner.train_dataloader.num_workers,
            progress=bar)
        branch.fill(features)

    def _cluster(self, model: nn.Module, runner: Runner) -> None:
        labels = model.inter_image.labels
        runner.logger.info('First clustering of the memory bank into '
                           f'{labels.num_clusters} clusters.')
        model.inter_image.first_clustering(_Progress(20))
        runner.logger.info(f'Clusters: {labels.statistics()}')
        self._clustered = True


def _require_finite(outputs: dict, step: int) -> None:
    # No further wait: mmengine has just read these numbers for its log.
    bad = [
        name for name, value in outputs.items()
        if 'loss' in name and not torch.isfinite(value).all()
    ]
    if bad:
        raise ValueError(
            f'Step {step}: {", ".join(bad)} is NaN or infinite. The last '
            'checkpoint is from before this step. Lower the learning rate '
            '(optim_wrapper.optimizer.lr) or clip gradients '
            '(optim_wrapper.clip_grad), and resume.')


class _Progress:
    """A bar on the main process, nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self.bar = ProgressBar(total) if is_main_process() else None

    def __call__(self, done: int = 1) -> None:
        if self.bar is not None:
            left = self.bar.task_num - self.bar.completed
            self.bar.update(min(done, left))

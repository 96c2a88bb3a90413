"""When the bank is sized, filled and clustered, and when labels move."""
from typing import Optional, Sequence

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..checkpoints.branch_names import is_state
from ..checkpoints.whole_checkpoint import require_whole_checkpoint
from ..datasets.fingerprint import (
    KEY,
    LIST_KEY,
    fingerprint,
    list_print,
    saved_fingerprint,
)
from ..datasets.positions import innermost_dataset
from ..datasets.sample_index import turn_on_sample_index
from ..runner import log_scalars, steps_per_pass, unwrap
from ..settings import check_known, check_least, written_in
from . import (
    bank_filling,
    bank_resume,
    first_look,
    large_models,
    log_line,
)
from . import sharded_checkpoint as shards
from .ranks_agree import require_agreement

_DUE = 'clustering_due'


@HOOKS.register_module()
@written_in()
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
            cluster sizes, which are taken at an epoch's end too. Defaults to
            50.
        accept_other_images (bool): Resume although the data set's list of
            images, or its order, is not the checkpoint's. Rows of the bank
            are an image's by its position, so those of moved images are
            wrong until they are seen again. Defaults to False: an error.
        check_images (bool): Read the list of images at the start, to notice
            that. False where this takes too long. Defaults to True.

    Raises:
        ValueError: If an argument is outside its range; from the run's start
            if the data set does not fit the configuration.

    Source: docs/method.md 1-3.
    """

    # Before the monitors, which measure labels that have moved.
    priority = 'ABOVE_NORMAL'

    def __init__(self,
                 *,
                 warmup_epochs: int = 0,
                 first_clustering: str = 'extraction',
                 transforms: Optional[Sequence[dict]] = None,
                 batch_size: int = 256,
                 statistics_interval: int = 50,
                 accept_other_images: bool = False,
                 check_images: bool = True) -> None:
        place = "dict(type='MemoryBankHook', {})"
        check_least('warmup_epochs', warmup_epochs, 0, place)
        check_least('batch_size', batch_size, 1, place)
        check_least('statistics_interval', statistics_interval, 1, place)
        check_known('first_clustering', first_clustering,
                    ('extraction', 'bank'), place)
        self.first_clustering = first_clustering
        self.warmup_epochs = warmup_epochs
        self.transforms = transforms
        self.batch_size = batch_size
        self.statistics_interval = statistics_interval
        self.accept_other_images = accept_other_images
        self.check_images = check_images
        self._resumed = False
        self._restored: Optional[str] = None  # fingerprints
        self._images: Optional[str] = None
        self._list: Optional[str] = None
        self._due = False  # a clustering that a longer run makes

    def before_run(self, runner: Runner) -> None:
        """Only a whole checkpoint is loaded; the log has short lines."""
        require_whole_checkpoint(runner)
        log_line.shorten(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Leave out a bank of another run; note whose images it has."""
        self._resumed = runner._resume
        if runner._resume:
            shards.find_shards(runner, checkpoint)
            bank_resume.require_all_weights(runner, checkpoint)
            self._due = checkpoint['meta'].get(_DUE, False)
            self._restored = saved_fingerprint(checkpoint)
            self._list = checkpoint['meta'].get(LIST_KEY)
            return
        state = checkpoint['state_dict']
        for name in [name for name in state if is_state(name)]:
            del state[name]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['meta'].update({
            KEY: self._images,
            LIST_KEY: self._list,
            _DUE: self._due
        })

    def before_train(self, runner: Runner) -> None:
        """Size and fill the bank, unless a checkpoint restored it."""
        model = unwrap(runner)
        branch, loader = model.inter_image, runner.train_dataloader
        large_models.require_possible(
            runner, model, self.warmup_epochs > 0
            or self.first_clustering == 'bank')
        num_images = len(innermost_dataset(loader.dataset))
        if self.check_images:
            before, self._list = self._list, list_print(loader.dataset)
            same = self._list is not None and self._list == before
            self._images = self._restored if same else fingerprint(
                loader.dataset)
        require_agreement(runner, num_images, self._images)
        if len(loader) == 0:
            raise ValueError(
                f'{len(loader.dataset)} images give no batch of '
                f'{loader.batch_size} and more on {get_world_size()} '
                'processes. Lower train_dataloader=dict(batch_size=...), or '
                'keep the last batch: drop_last=False.')
        turn_on_sample_index(loader.dataset, runner.logger)
        # Batches may be shorter than this on some processes.
        branch.batch_size = loader.batch_size or 0
        first_look.look(runner, model, num_images)
        empty = branch.bank.status == 'empty'
        if empty:
            if self._resumed:
                runner.logger.warning(bank_resume.NO_BANK)
            branch.allocate(num_images, runner.seed)
        else:
            bank_resume.require_same_images(
                branch, num_images,
                None if self.accept_other_images else self._restored,
                self._images)
        bank_resume.share_with_averaged_models(runner, branch)
        shards.save_shards_too(runner, branch.bank)
        if branch.bank.status == 'clustered':
            branch.prepare()
            return
        if self.first_clustering == 'extraction':
            self._cluster_fresh_features(runner)
        elif empty:
            branch.fill()

    def before_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Tell the model whether it still warms up."""
        epoch = runner.iter // steps_per_pass(runner)
        unwrap(runner).warming_up = epoch < self.warmup_epochs

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Stop at bad input; move small clusters and centroids when due."""
        model = unwrap(runner)
        branch = model.inter_image
        branch.faults.stop(branch.bank, outputs)
        if branch.bank.status == 'clustered':
            branch.after_step()
        elif branch.bank.random.step >= steps_per_pass(runner):
            bank_filling.cluster(model, runner)
        if branch.bank.status == 'clustered':
            ends = (runner.iter + 1) % steps_per_pass(runner) == 0
            if ends or self.every_n_train_iters(runner,
                                                self.statistics_interval):
                log_scalars(runner, branch.labels.statistics(branch.bank))
            if ends:
                runner.logger.info(
                    log_line.clusters_in_words(branch.bank.sizes()))
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._renew_labels(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._renew_labels(runner, runner.iter)

    def before_train_epoch(self, runner: Runner) -> None:
        """Cluster where a run that was shorter did not need to."""
        if self._due and runner.iter < runner.max_iters:
            self._cluster_fresh_features(runner)
        self._due = False

    def _renew_labels(self, runner: Runner, steps: int) -> None:
        # At a pass's end, ahead of a checkpoint, which has the new labels.
        epoch, step = divmod(steps, steps_per_pass(runner))
        branch = unwrap(runner).inter_image
        if step or branch.bank.status != 'clustered' or \
                not branch.labels.wants_clustering(epoch):
            return
        self._due = steps >= runner.max_iters
        if not self._due:
            self._cluster_fresh_features(runner)

    def _cluster_fresh_features(self, runner: Runner) -> None:
        model = unwrap(runner)
        bank_filling.fill(model, runner, self.transforms, self.batch_size)
        bank_filling.cluster(model, runner)

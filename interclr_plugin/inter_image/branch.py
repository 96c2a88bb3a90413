"""In which order a step draws, compares, stores and labels."""
import math
from typing import Callable, Dict, Optional, Tuple

import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..distributed import gather_numbers, gather_rows
from ..settings import check_least, written_in
from .contrast import contrast
from .faults import Faults

_ADD_THE_HOOK = (
    "The memory bank is not ready. Add custom_hooks = "
    "[dict(type='MemoryBankHook')] to the configuration: it sizes and fills "
    'the bank.')


@written_in('model=dict(inter_image=dict({}))')
class InterImageBranch(BaseModule):
    """Learn inter-image invariance from the projections of any algorithm.

    It knows neither library: it takes queries, keys and the images' positions
    in the training set, and gives a loss. Everything runs in float32.

    Args:
        num_clusters (int): C, pseudo-classes.
        feat_dim (int): D, width of the projection.
        num_images (int, optional): N, images in the training set. Defaults to
            None: :class:`MemoryBankHook` takes the dataset's length.
        bank (dict, optional): :class:`ClusteredBank`.
        labels (dict, optional): :class:`OnlineKMeans`.
        sampler (dict, optional): :class:`PairSampler`, or
            :class:`RelationSampler`.
        loss (dict, optional): :class:`MarginNCELoss`, or
            :class:`RelationLoss` with relations. Each of these four defaults
            to None: as released, sized to the data.
        queries_at_once (int, optional): Queries compared at a time, to bound
            the memory that a step needs; the loss is the same. Defaults to
            None: all of the batch.

    Source: docs/method.md 1-5.
    """

    def __init__(self,
                 *,
                 num_clusters: int,
                 feat_dim: int,
                 num_images: Optional[int] = None,
                 bank: Optional[dict] = None,
                 labels: Optional[dict] = None,
                 sampler: Optional[dict] = None,
                 loss: Optional[dict] = None,
                 queries_at_once: Optional[int] = None) -> None:
        super().__init__()
        check_least('queries_at_once', queries_at_once, 1,
                    'inter_image=dict({})')
        self.queries_at_once = queries_at_once
        # The most rows that a process has in a step, where these may differ.
        self.batch_size = 0
        self.feat_dim = feat_dim
        self._asked_images = num_images
        size = dict(num_clusters=num_clusters)
        self.bank = _build(bank, 'ClusteredBank', feat_dim=feat_dim, **size)
        self.labels = _build(labels, 'OnlineKMeans', **size)
        self.sampler = _build(sampler, 'PairSampler')
        self.loss = _build(loss, self.sampler.loss)
        self.faults = Faults()

    @property
    def num_images(self) -> int:
        return self.bank.num_images

    def allocate(self, num_images: int, seed: int) -> None:
        """Start with an empty bank for so many images.

        Args:
            num_images (int): N, length of the dataset.
            seed (int): At least 0, the same on every process.

        Raises:
            ValueError: If N contradicts the configuration, or another
                setting is impossible for N.
        """
        self.size(num_images)
        self.bank.allocate(num_images, seed)
        self.faults = Faults()

    def fill(self, features: Optional[Tensor] = None,
             rows: slice = slice(None)) -> None:
        """Store features of images.

        Args:
            features (Tensor, optional): (n, D). Defaults to None: random
                rows for all images, which the first epoch of keys replaces.
            rows (slice): Which n of the N images. Defaults to all.

        Raises:
            ValueError: If a feature is not finite, or of another width.
        """
        if features is None:
            generator = self.bank.shared()
            # A multiple of 16: on the CPU these are the numbers of one draw.
            for start in range(0, self.num_images, 65536):
                rows = slice(start, min(start + 65536, self.num_images))
                block = self.bank.centroids.new_empty(
                    rows.stop - start, self.feat_dim)
                self.fill(block.normal_(generator=generator), rows)
            return
        self._require_width('feature', features)
        bad = int((~features.isfinite().all(1)).sum())
        if bad:
            raise ValueError(
                f'{bad} of {len(features)} features for the first clustering '
                'are NaN or infinite. Check the initial weights (load_from, '
                'init_cfg) and the data preprocessor of the configuration.')
        self.bank.fill(features, rows)

    def first_clustering(
            self, progress: Callable[[], None] = lambda: None) -> None:
        """Cluster the bank from nothing; the loss can be computed then.

        Args:
            progress (Callable): Called after each k-means iteration.
        """
        self.labels.first_clustering(self.bank, self.bank.shared(), progress)
        self.sampler.look(self.bank)

    def prepare(self) -> None:
        """Make what follows from the clusters, so that no step waits for it:
        a pass over all rows, and a sorting of all labels."""
        _ = self.bank.sums, self.bank.members

    # A compiler would trace into it only to fall back at every step: the
    # random streams and the bank's updates are not a graph's.
    @torch.compiler.disable
    def forward(self, query: Tensor, key: Tensor,
                index: Tensor) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Compute the loss of a batch, then store its keys.

        Args:
            query (Tensor): (B, D) projections of any length, with gradient.
            key (Tensor): (B, D) projections of any length, without.
            index (Tensor): (B,) the images' positions in the training set.

        Returns:
            tuple: () the loss, and statistics to log.

        Raises:
            RuntimeError: If there are no clusters yet.
            ValueError: If the projections are not of the bank's width.
        """
        if self.bank.status != 'clustered':
            raise RuntimeError(_ADD_THE_HOOK)
        self._require_width('query', query)
        safe = index.clamp(0, self.num_images - 1)
        with torch.autocast(query.device.type, enabled=False):
            loss = contrast(query, safe, self.bank, self.sampler, self.loss,
                            self.queries_at_once)
        return loss, self.update(key, index, query)

    @torch.compiler.disable
    @torch.no_grad()
    def update(self,
               key: Tensor,
               index: Tensor,
               query: Optional[Tensor] = None) -> Dict[str, Tensor]:
        """Store a batch's keys and the labels that they get.

        If anything in the batch of any process is not finite, or an index
        lies outside the bank, nothing is stored and the step is remembered
        for :meth:`Faults.stop`: asking here would wait for the device.

        Args:
            key (Tensor): (B, D) projections of any length.
            index (Tensor): (B,) positions in the training set.
            query (Tensor, optional): (B, D), checked only.

        Returns:
            dict[str, Tensor]: ``change_ratio``, () share of the labels that
            changed.
        """
        if self.bank.status == 'empty':
            raise RuntimeError(_ADD_THE_HOOK)
        self._require_width('key', key)
        self.bank.random.step += 1
        safe = index.clamp(0, self.num_images - 1)  # (B,)
        with torch.autocast(key.device.type, enabled=False):
            key = key.float()
            rows = self.bank.blend(safe, key)
            labels = self.labels.assign(self.bank, safe, rows)
        # A sum is finite where all that is summed is: fewer operations.
        total = key.sum(1)
        if query is not None:
            total += query.sum(1, dtype=torch.float32)
        good = (safe == index) & (total.abs() < math.inf)

        # What is written comes out of a collective: equal on every process.
        rows = gather_rows(rows, self.batch_size)
        index, labels, good = gather_numbers(
            safe, labels, good, height=self.batch_size)
        good = good.all()
        changed = self.bank.write(index, rows, labels, good)
        self.faults.note(good, self.bank.random.step)
        return dict(change_ratio=changed)

    @torch.no_grad()
    def after_step(self) -> None:
        """Do what is due after a training step, each at its own cadence."""
        self.labels.after_step(self.bank, self.bank.random.step,
                               self.bank.shared())
        self.sampler.after_step(self.bank)

    def _require_width(self, name: str, projections: Tensor) -> None:
        if projections.dim() != 2 or projections.shape[1] != self.feat_dim:
            raise ValueError(
                f'The {name} has shape {tuple(projections.shape)}, and the '
                f'memory bank holds rows of width {self.feat_dim}: allowed is '
                f'(B, {self.feat_dim}). Change inter_image=dict(feat_dim=...)'
                ' to the width of the projection (neck.out_channels).')

    def size(self, num_images: int) -> None:
        """Set what depends on the size of the data set, but for the bank.

        Args:
            num_images (int): N.
        """
        if self._asked_images not in (None, num_images):
            raise ValueError(
                f'num_images={self._asked_images}, but the training set has '
                f'{num_images} images. Change or leave out '
                'inter_image=dict(num_images=...).')
        self.sampler.allocate(num_images, self.bank.held_of(num_images))
        self.labels.allocate(num_images)

    def _load_from_state_dict(self, state_dict: Dict[str, Tensor], prefix: str,
                              *args) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        # The bank is loaded next, and takes the size of what it is given.
        num_images = len(state_dict.get(f'{prefix}bank.labels', ()))
        if num_images:
            self.size(num_images)


def _build(config: Optional[dict], default: str, **arguments) -> nn.Module:
    for name in set(arguments) & set(config or {}):
        raise ValueError(f'{name} is written once, for all parts: '
                         f'inter_image=dict({name}=...).')
    return MODELS.build({'type': default, **(config or {}), **arguments})

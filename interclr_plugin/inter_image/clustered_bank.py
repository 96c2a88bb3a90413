"""How the branch's state is held, written and loaded: one module owns it."""
from typing import Dict, Optional

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..distributed import first_occurrence
from ..settings import check_known, written_in
from . import bank_state
from .members import Members
from .random_stream import RandomStream
from .rows import Rows
from .running_means import RunningMeans


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(bank=dict({})))')
class ClusteredBank(nn.Module):
    """Store a unit feature and a label for each training image.

    Others read ``rows`` (N, D), ``labels`` (N,), ``centroids`` (C, D) and
    ``status``, and change them by methods alone, which keep sums, sizes and
    members up to date. Callers write the same on every process.

    The state is in the checkpoint, but in no buffer: what averages,
    broadcasts or swaps buffers (``SyncBuffersHook``, ``EMAHook``) cannot
    touch it. When it is loaded it takes the checkpoint's number of images.

    Args:
        num_clusters (int): C.
        feat_dim (int): D, width of the projection.
        momentum (float): Weight of the NEW value, in (0, 1]. Defaults to
            1.0: the stored feature is the latest key.
        dtype (str): ``'float32'``, or ``'float16'`` or ``'bfloat16'`` for
            half of the memory; everything is computed in float32 all the
            same. Defaults to ``'float32'``.

    Raises:
        ValueError: If ``momentum`` is outside (0, 1] or ``dtype`` unknown.

    Source: docs/method.md 2; Xie et al., IJCV 2022, section 3.
    """

    DTYPES = ('float32', 'float16', 'bfloat16')

    def __init__(self,
                 *,
                 num_clusters: int,
                 feat_dim: int,
                 momentum: float = 1.0,
                 dtype: str = 'float32') -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(
                f'momentum={momentum} is outside (0, 1]; it is the weight of '
                'the new value. Change inter_image=dict(bank=dict('
                'momentum=...)).')
        check_known('dtype', dtype, self.DTYPES,
                    'inter_image=dict(bank=dict({}))')
        self.momentum = momentum
        # False while a checkpoint is written that has them beside it.
        self.saves_rows = True
        self.rows = self._make_rows(
            torch.zeros(0, feat_dim, dtype=getattr(torch, dtype)))
        self.labels = torch.zeros(0, dtype=self._label_type(num_clusters))
        self.centroids = torch.zeros(num_clusters, feat_dim)
        self._start(0)

    def allocate(self, num_images: int, seed: int) -> None:
        """Start anew, with room for so many images.

        Args:
            num_images (int): N.
            seed (int): At least 0, the same on every process.
        """
        self.rows = self.rows.room(num_images)
        self.labels = self.labels.new_zeros(num_images)
        self.centroids.zero_()
        self._start(seed)

    def fill(self, features: Tensor, rows: slice = slice(None)) -> None:
        """Replace rows; clusters, if any, are no longer theirs.

        Args:
            features (Tensor): (n, D), any length; stored with length 1.
            rows (slice): Which n of the N. Defaults to all.
        """
        self.rows.fill(F.normalize(features, dim=1), rows)
        self.status, self._sums, self._members = 'filled', None, None

    def load(self, **tensors: Tensor) -> None:
        """Replace tensors as a whole; with labels the bank is clustered.

        Args:
            **tensors (Tensor): ``features``, ``labels`` or ``centroids``.
        """
        for name, value in tensors.items():
            if name == 'features':
                self.rows.load(value)
            else:
                getattr(self, name).copy_(value)
        if 'labels' in tensors:
            self.status = 'clustered'
        elif self.status == 'empty':
            self.status = 'filled'
        self._sums = self._members = None

    def blend(self, index: Tensor, key: Tensor) -> Tensor:
        """Compute the new rows of some images, without storing them.

        Args:
            index (Tensor): (B,) positions in the training set.
            key (Tensor): (B, D) keys, any length.

        Returns:
            Tensor: (B, D) unit rows. The row stays as it was where the key
            has no length in float32, or is opposite to it so that nothing is
            left of both: neither has a direction.
        """
        old = self.rows.take(index).float()
        key = key / key.norm(dim=1, keepdim=True)
        mixed = torch.lerp(old, key, self.momentum)
        length = mixed.norm(dim=1, keepdim=True)
        # Less than rounding leaves of two opposite unit rows; after a key
        # without length it is NaN or infinite.
        has_direction = (length > 1e-6) & (length < 2)
        return torch.where(has_direction, mixed / length, old)

    def write(self,
              index: Tensor,
              rows: Optional[Tensor],
              labels: Tensor,
              good: Optional[Tensor] = None) -> Tensor:
        """Store rows and labels of some images.

        Args:
            index (Tensor): (n,) positions in the training set; where one
                repeats, its first row and label count.
            rows (Tensor, optional): (n, D) unit rows, rounded to the bank's
                dtype. None: they stay.
            labels (Tensor): (n,) cluster numbers.
            good (Tensor, optional): () bool; False: nothing is stored.
                Defaults to None: True.

        Returns:
            Tensor: () share of these images whose label changed.
        """
        first, before = first_occurrence(index), self.labels_of(index)
        once = first == torch.arange(len(index), device=index.device)
        labels = labels[first]
        if good is not None:
            labels = torch.where(good, labels, before)
        if rows is not None:
            old, rows = self.rows.take(index), rows[first]
            if good is not None:
                rows = torch.where(good, rows, old)
            rows = rows.to(old)
            if self._sums is not None:
                self._sums.replace(old, before, rows, labels, once)
            self.rows.put(index, rows)
        elif self._sums is not None:
            self._sums.move(self.rows, index[once], before[once], labels[once])
        self.labels[index] = labels.to(self.labels.dtype)
        if self._members is not None:
            self._members.record(index, before, self.labels)
        return ((before != labels) & once).sum() / once.sum()

    def renew_centroids(self, clusters: Optional[Tensor] = None) -> None:
        """Make centroids the means of their members; without any they stay.

        Args:
            clusters (Tensor, optional): (n,) which ones. Defaults to None:
                all; those that did not change since are left alone.
        """
        which = self.sums.take_changed() if clusters is None else clusters
        self.centroids[which] = self.sums.of(self.centroids, which)

    @property
    def num_images(self) -> int:
        return len(self.labels)

    @property
    def features(self) -> Tensor:
        """Tensor: (N, D) the rows, or those of them that are held here."""
        return self.rows.held

    def labels_of(self, index: Tensor) -> Tensor:
        """Give labels of (n,) images, as numbers that may be an index."""
        return self.labels[index].long()

    @property
    def sums(self) -> RunningMeans:
        """Sums and sizes of the clusters: made when asked for, then kept."""
        if self._sums is None:
            self._sums = RunningMeans(self.rows, self.labels,
                                      len(self.centroids))
        return self._sums

    @property
    def members(self) -> Members:
        """Members of the clusters: made when asked for, then kept."""
        if self._members is None:
            self._members = Members(self.labels)
        return self._members

    def sizes(self) -> Tensor:
        """Count the members of each cluster: (C,) integers."""
        return torch.bincount(self.labels, minlength=len(self.centroids))

    def shared(self) -> torch.Generator:
        """Give a generator that draws the same on every process."""
        return self.random.shared(self.labels.device)

    def _start(self, seed: int, step: int = 0, status: str = 'empty') -> None:
        self.status = status
        self.random = RandomStream(seed, step)
        self._sums: Optional[RunningMeans] = None
        self._members: Optional[Members] = None

    def _apply(self, fn, recurse: bool = True) -> 'ClusteredBank':
        # It follows the model to another device, and keeps its precision.
        device = fn(self.labels[:0]).device
        if device != self.labels.device:
            self.rows.to(device)
            self.labels = self.labels.to(device)
            self.centroids = self.centroids.to(device)
            self._sums = self._members = None
        return super()._apply(fn, recurse)

    def _save_to_state_dict(self, destination: Dict[str, Tensor], prefix: str,
                            keep_vars: bool) -> None:
        bank_state.write(self, destination, prefix)

    def _load_from_state_dict(self, state_dict: Dict[str, Tensor], prefix: str,
                              *args) -> None:
        given = bank_state.read(self, state_dict, prefix)
        if given:
            self.rows.load(given['features'])
            self.labels = given['labels'].to(self.labels, copy=True)
            self.centroids = given['centroids'].to(self.centroids, copy=True)
            self._start(**given['numbers'])

    def held_of(self, num_images: int) -> int:
        """Tell how many of N images' rows each process holds, at least."""
        return num_images

    def _make_rows(self, held: Tensor) -> Rows:
        return Rows(held)

    def _label_type(self, num_clusters: int) -> torch.dtype:
        return torch.long

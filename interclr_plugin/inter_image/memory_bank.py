"""The memory bank: one unit feature per training image."""
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class MemoryBank(nn.Module):
    """Store one feature per training image and blend new values in.

    Rows are read through the buffer ``features`` (N, D). Nothing here
    communicates: callers write the same values on every process.

    Args:
        momentum (float): Weight of the NEW value, in (0, 1]. Defaults to
            1.0: the stored feature is the latest key.
        dtype (str): ``'float32'``, or ``'float16'`` or ``'bfloat16'`` for
            half of the memory; everything is computed in float32 all the
            same. Defaults to ``'float32'``.

    Raises:
        ValueError: If ``momentum`` is outside (0, 1] or ``dtype`` unknown.

    Source: METHOD.md 2; Xie et al., IJCV 2022, section 3.
    """

    features: Tensor
    DTYPES = ('float32', 'float16', 'bfloat16')

    def __init__(self,
                 *,
                 momentum: float = 1.0,
                 dtype: str = 'float32') -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(
                f'momentum={momentum} is outside (0, 1]; it is the weight of '
                'the new value. Change inter_image=dict(bank=dict('
                'momentum=...)).')
        if dtype not in self.DTYPES:
            raise ValueError(
                f'dtype={dtype!r} is unknown; allowed: '
                f'{", ".join(map(repr, self.DTYPES))}. Change inter_image='
                'dict(bank=dict(dtype=...)).')
        self.momentum = momentum
        self.register_buffer(
            'features', torch.zeros(0, 0, dtype=getattr(torch, dtype)))

    def allocate(self, num_images: int, feat_dim: int) -> None:
        """Give the bank its final size, with all rows zero.

        Args:
            num_images (int): N, images in the training set.
            feat_dim (int): D, width of the projection.
        """
        self.features = self.features.new_zeros(num_images, feat_dim)

    def fill(self, features: Tensor) -> None:
        """Replace all rows.

        Args:
            features (Tensor): (N, D), any length; stored as unit rows.
        """
        self.features.copy_(F.normalize(features, dim=1))

    def blend(self, index: Tensor, key: Tensor) -> Tensor:
        """Compute the new rows of some images, without storing them.

        Args:
            index (Tensor): (B,) positions in the training set.
            key (Tensor): (B, D) keys, any length.

        Returns:
            Tensor: (B, D) unit rows; an all-zero key, which has no
            direction, leaves the row as it was.
        """
        key = F.normalize(key, dim=1)
        old = self.features[index].float()
        mixed = torch.lerp(old, key, self.momentum)
        return torch.where((key != 0).any(1, keepdim=True),
                           F.normalize(mixed, dim=1), old)

    def write(self, index: Tensor, rows: Tensor) -> None:
        """Store rows as they are.

        Args:
            index (Tensor): (n,) positions in the training set; where one
                repeats, its rows must be equal.
            rows (Tensor): (n, D) unit rows, rounded to the bank's dtype.
        """
        self.features[index] = rows.to(self.features.dtype)

"""What a sampler draws for a batch, and which pairs come of it."""
from typing import NamedTuple, Optional

from torch import Tensor


class Pairs(NamedTuple):
    """What a batch is compared with; similarities carry gradients.

    Where all of the K count, the positive is the one that counts most, and
    its similarity the mean of theirs.
    """
    positive: Tensor  # (B,) index
    negatives: Tensor  # (B, K) index
    valid: Tensor  # (B, K) bool: False where no negative is left
    positive_similarity: Tensor  # (B,)
    negative_similarity: Tensor  # (B, K)
    # (B, K) what each counts as a positive, 1 in all; None: `positive` alone
    weights: Optional[Tensor] = None


class Draw(NamedTuple):
    """The random part of a choice, before any comparison."""
    positive: Tensor  # (B,) index
    # (B, D); None: they are among the rows that are compared
    positive_rows: Optional[Tensor]
    # (M,) positions among the rows that are compared; None: all of them
    candidates: Optional[Tensor]
    index: Optional[Tensor]  # (M,) whose they are; None: position is index
    random: Optional[Tensor]  # (P,) one number for each place of the pool

    def part(self, some: slice) -> 'Draw':
        """Give the draw of a part of the batch."""
        rows = self.positive_rows
        return self._replace(
            positive=self.positive[some],
            positive_rows=None if rows is None else rows[some])

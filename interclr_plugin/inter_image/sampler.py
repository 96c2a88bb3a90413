"""What the branch asks of whatever chooses the images to compare with."""
from typing import Any, Optional

import torch
from torch import Tensor, nn

from .clustered_bank import ClusteredBank
from .members import Members
from .pairs import Pairs
from .rows import Rows


class Sampler(nn.Module):
    """Choose which images of the bank a batch is compared with.

    A step calls :meth:`draw` once, then :meth:`compare` for the batch or for
    one part of it after the other.
    """

    # The loss that takes what it gives.
    loss = 'MarginNCELoss'
    # Images that each query is compared with.
    num_negatives = 0

    def allocate(self, num_images: int, held: Optional[int] = None) -> None:
        """Set what depends on the number of images.

        Args:
            num_images (int): N.
            held (int, optional): Images that a process compares with, a
                random part of all. Defaults to None: all.
        """
        raise NotImplementedError

    def draw(self,
             index: Tensor,
             rows: Rows,
             labels: Tensor,
             generator: torch.Generator,
             members: Optional[Members] = None) -> Any:
        """Draw all random numbers of a batch; get rows that are elsewhere.

        Args:
            index (Tensor): (B,) the queries' positions in the training set.
            rows (Rows): The bank's; those to compare with are drawn from what
                this process holds.
            labels (Tensor): (N,) cluster numbers.
            generator (torch.Generator): On their device.
            members (Members, optional): Kept for these labels. Defaults to
                None: found anew.

        Returns:
            Any: For :meth:`compare`; its ``part(slice)`` is that of a part of
            the batch.
        """
        raise NotImplementedError

    def compare(self, query: Tensor, index: Tensor, features: Tensor,
                labels: Tensor, draw: Any) -> Pairs:
        """Compare queries with what was drawn; a batch may come in parts.

        Args:
            query (Tensor): (b, D) unit rows.
            index (Tensor): (b,) their positions in the training set.
            features (Tensor): (H, D) the rows that this process holds.
            labels (Tensor): (N,) cluster numbers.
            draw (Any): That of these queries.

        Returns:
            Pairs: Indices into the bank, and similarities.
        """
        raise NotImplementedError

    def forward(self,
                query: Tensor,
                index: Tensor,
                features: Tensor,
                labels: Tensor,
                generator: torch.Generator,
                members: Optional[Members] = None) -> Pairs:
        """:meth:`draw`, then :meth:`compare`, whose arguments these are."""
        draw = self.draw(index, Rows(features), labels, generator, members)
        return self.compare(query, index, features, labels, draw)

    def look(self, bank: ClusteredBank) -> None:
        """See the bank as a whole: once it is clustered, and when due.

        Args:
            bank (ClusteredBank): Clustered.
        """

    def after_step(self, bank: ClusteredBank) -> None:
        """Do what is due after a training step.

        Args:
            bank (ClusteredBank): Clustered; ``bank.random.step`` counts.
        """

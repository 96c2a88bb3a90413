"""A contrastive head with a margin, for the intra-image branch."""
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ..inter_image import MarginNCELoss
from ..settings import written_in


@MODELS.register_module()
@written_in()
class MarginNCEHead(BaseModule):
    """Replace the stock ``ContrastiveHead`` of MoCo, SimCLR, DenseCL or NPID.

    With margin 0 it equals the stock head to the last bit. mmselfsup calls a
    head, mmpretrain its ``loss``: this one offers both.

    Args:
        margin (float): On the positive logit; above 0 the boundary is more
            stringent, below 0 less. Defaults to 0.0, best for the intra-image
            branch in the paper.
        margin_type, temperature: As for :class:`MarginNCELoss`, which also
            says what is raised.

    Source: docs/method.md 5.
    """

    def __init__(self,
                 *,
                 margin: float = 0.0,
                 margin_type: str = 'cosine',
                 temperature: float = 0.2) -> None:
        super().__init__()
        self.margin_nce = MarginNCELoss(
            margin=margin, margin_type=margin_type, temperature=temperature)

    def loss(self, pos: Tensor, neg: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            pos (Tensor): (B, 1) cosine similarities with the positives.
            neg (Tensor): (B, K) cosine similarities with the negatives.

        Returns:
            Tensor: () the mean over the batch.
        """
        return self.margin_nce(pos.squeeze(1), neg)

    forward = loss

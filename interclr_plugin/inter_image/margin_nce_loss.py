"""The contrastive loss with an adjustable decision boundary."""
import math
from typing import Optional

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..settings import check_known, written_in


def arc_margin(similarity: Tensor, margin: float) -> Tensor:
    """Move the boundary by an angle: ``cos(arccos(s) + m)``.

    Beyond the angle where the cosine would turn back, a straight line keeps
    it monotone: ``s - m sin(m)`` for s <= cos(pi - m) where m >= 0, and
    ``s + m sin(m)`` for s >= cos(m) where m < 0.

    Args:
        similarity (Tensor): Cosine similarities, any shape.
        margin (float): m in radians; above 0 more stringent, below 0 less.

    Returns:
        Tensor: The same shape.

    Source: docs/method.md 5; ArcFace, arXiv 1801.07698.
    """
    sine_squared = 1 - similarity.square()
    # The square root has an infinite slope at 0, which where() would turn
    # into NaN even for the entries that it drops: give them another input.
    inside = sine_squared > 0
    sine = torch.where(inside, sine_squared, 1.0).sqrt()
    sine = torch.where(inside, sine, 0.0)
    turned = similarity * math.cos(margin) - sine * math.sin(margin)
    if margin >= 0:
        beyond = similarity <= math.cos(math.pi - margin)
        line = similarity - margin * math.sin(margin)
    else:
        beyond = similarity >= math.cos(margin)
        line = similarity + margin * math.sin(margin)
    return torch.where(beyond, line, turned)


# CosFace, arXiv 1801.09414, moves the boundary by a constant: s - m.
MARGINS = {'cosine': torch.sub, 'arc': arc_margin}


@MODELS.register_module()
@written_in('model=dict(inter_image=dict(loss=dict({})))')
class MarginNCELoss(nn.Module):
    """Contrast one positive with many negatives, with a margin on the former.

    Args:
        margin (float): m on the positive logit alone, in [-1, 1] for the
            cosine and [-pi/2, pi/2] for the arc margin. Above 0 the boundary
            is more stringent, below 0 less. Defaults to -0.5.
        margin_type (str): ``'cosine'`` or ``'arc'``. Defaults to
            ``'cosine'``.
        temperature (float): T, above 0. Defaults to 0.2.

    Raises:
        ValueError: If an argument is outside its range.

    Source: docs/method.md 5 (MarginNCE).
    """

    def __init__(self,
                 *,
                 margin: float = -0.5,
                 margin_type: str = 'cosine',
                 temperature: float = 0.2) -> None:
        super().__init__()
        check_known('margin_type', margin_type, MARGINS, 'loss=dict({})')
        limit = {'cosine': 1.0, 'arc': math.pi / 2}[margin_type]
        if not -limit <= margin <= limit:
            raise ValueError(
                f'margin={margin} is outside [-{limit:.4g}, {limit:.4g}], '
                f'the range of the {margin_type} margin. Change '
                'loss=dict(margin=...).')
        if not 0 < temperature < math.inf:
            raise ValueError(f'temperature={temperature} must be above 0 and '
                             'finite. Change loss=dict(temperature=...).')
        self.margin = margin
        self.margin_type = margin_type
        self.temperature = temperature

    def forward(self,
                positive: Tensor,
                negatives: Tensor,
                valid: Optional[Tensor] = None) -> Tensor:
        """Compute the mean loss of a batch.

        Args:
            positive (Tensor): (B,) cosine similarities with the positives.
            negatives (Tensor): (B, K) cosine similarities with the
                negatives.
            valid (Tensor, optional): (B, K) bool, False for a slot that
                holds no negative. Defaults to all True.

        Returns:
            Tensor: () the mean over the batch; 0 for an image without any
            negative.
        """
        moved = MARGINS[self.margin_type](positive, self.margin)
        logits = torch.cat((moved.unsqueeze(1), negatives), 1)  # (B, 1 + K)
        logits = logits / self.temperature
        if valid is not None:
            slots = F.pad(valid, (1, 0), value=True)
            logits = logits.masked_fill(~slots, -math.inf)
        target = torch.zeros_like(logits[:, 0], dtype=torch.long)
        # Taken apart like this it equals the libraries' own heads bit by bit.
        return F.cross_entropy(logits, target, reduction='none').mean()

"""When a step went wrong, and how all processes stop at it together."""
from typing import Dict, Optional

import torch
from mmengine import dist
from torch import Tensor

from .clustered_bank import ClusteredBank


class Faults:
    """Remember the first step with bad input, without asking the device."""

    def __init__(self) -> None:
        self._first: Optional[Tensor] = None  # () the step, or -1

    def note(self, good: Tensor, step: int) -> None:
        """Take note of a step.

        Args:
            good (Tensor): () bool, equal on all processes.
            step (int): Its number.
        """
        fault = torch.where(good, -1, step)
        self._first = fault if self._first is None else torch.where(
            self._first >= 0, self._first, fault)

    def stop(self,
             bank: ClusteredBank,
             losses: Optional[Dict[str, Tensor]] = None) -> None:
        """Raise on all processes if one has a reason to, after each step.

        Args:
            bank (ClusteredBank): Has counted the step.
            losses (dict, optional): What this step logged; the values with
                "loss" in their names must be finite.

        Raises:
            ValueError: Names the step.
        """
        # No further wait: mmengine has just read these numbers for its log.
        bad = [
            name for name, value in (losses or {}).items()
            if 'loss' in name and not torch.isfinite(value).all()
        ]
        found = torch.full((2, ), -1, device=bank.labels.device)
        if self._first is not None:
            found[0] = self._first
        if bad:
            found[1] = bank.random.step
        dist.all_reduce(found, 'max')
        stored, lost = found.tolist()
        if stored >= 0:
            raise ValueError(
                f'Step {stored}: a projection is NaN or infinite, or an image '
                f'index lies outside [0, {bank.num_images}), the images '
                'in the memory bank. The bank stays as it was before that '
                'step. Lower the learning rate (optim_wrapper.optimizer.lr) '
                'or clip gradients (optim_wrapper.clip_grad); for the index '
                'check that the dataset gives sample_idx 0 to '
                f'{bank.num_images - 1}.')
        if lost >= 0:
            raise ValueError(
                f'Step {lost}: {", ".join(bad) or "a loss of another process"}'
                ' is NaN or infinite. The last checkpoint is from before this '
                'step. Lower the learning rate (optim_wrapper.optimizer.lr) '
                'or clip gradients (optim_wrapper.clip_grad), and resume.')

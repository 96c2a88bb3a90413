"""Which random states a process has, and how they are put back."""
import random
from typing import Any, Dict, Tuple

import numpy as np
import torch


def take() -> Tuple:
    """Take the random states of this process's Python, NumPy and torch.

    Returns:
        tuple: Cheap to make and to send; for :func:`as_tensors`.
    """
    return (random.getstate(), np.random.get_state(),
            torch.get_rng_state().numpy())


def as_tensors(states: Tuple) -> Dict[str, Any]:
    """Make states a part of a checkpoint.

    Args:
        states (tuple): What :func:`take` gave, in this process or another.

    Returns:
        dict: Of tensors and plain numbers, which load with ``weights_only``.
    """
    (version, numbers, gauss), (name, keys, *rest), of_torch = states
    return dict(
        python=[version, torch.tensor(numbers), gauss],
        numpy=[name, torch.from_numpy(keys.astype(np.int64)), *rest],
        torch=torch.from_numpy(of_torch))


def capture() -> Dict[str, Any]:
    """Take all random states of this process, and what sums depend on.

    Returns:
        dict: As of :func:`as_tensors`.
    """
    states = dict(as_tensors(take()), threads=torch.get_num_threads())
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def restore(states: Dict[str, Any]) -> None:
    """Go on from random states.

    Args:
        states (dict): Of :func:`capture` or :func:`as_tensors`, tensors on
            any device.
    """
    version, numbers, gauss = states['python']
    random.setstate((version, tuple(numbers.tolist()), gauss))
    name, keys, *rest = states['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())

"""Which random numbers the branch draws, apart from everybody else's."""
import numpy as np
import torch
from mmengine import dist
from torch import Tensor


class RandomStream:
    """Draw from the seed, the step and the process alone.

    The stock algorithm draws from torch's global generator (MoCo shuffles its
    batch). If the branch drew from it too, adding the branch would change the
    stock loss; and the generator's state would have to be saved to resume
    exactly. A generator seeded anew at each step needs neither: seed and step
    are in the checkpoint, so a resumed run draws what an uninterrupted one
    would.

    Args:
        seed (int): At least 0, the same on every process.
        step (int): Steps so far. Defaults to 0.
    """

    def __init__(self, seed: int, step: int = 0) -> None:
        self.seed = seed
        self.step = step

    def shared(self, device: torch.device = 'cpu') -> torch.Generator:
        """Give a generator that draws the same on every process."""
        return self._generator(0, device)

    def own(self, device: torch.device = 'cpu') -> torch.Generator:
        """Give a generator that draws otherwise on every process."""
        return self._generator(1 + dist.get_rank(), device)

    def _generator(self, stream: int,
                   device: torch.device) -> torch.Generator:
        mixed = np.random.SeedSequence((self.seed, self.step, stream))
        state = int(mixed.generate_state(1, np.uint64)[0]) >> 1
        return torch.Generator(device).manual_seed(state)


def draw_subset(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw distinct numbers below ``total``, at a cost that ignores it.

    The range is cut into ``count`` parts of equal length (but for one) and
    each gives one number. Turning the range by a random amount first makes
    every number equally likely.

    Args:
        total (int): The range, at least ``count``.
        count (int): How many numbers.
        generator (torch.Generator): On the device of the result.

    Returns:
        Tensor: (count,) distinct numbers in [0, total), in no random order.
    """
    device = generator.device
    edges = torch.arange(count + 1, device=device) * total // count
    length = edges[1:] - edges[:-1]
    random = torch.rand(
        count, generator=generator, device=device, dtype=torch.float64)
    turn = torch.randint(total, (1, ), generator=generator, device=device)
    return (edges[:-1] + (random * length).long() + turn) % total

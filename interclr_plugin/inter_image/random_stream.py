"""Which random numbers the branch draws, apart from everybody else's."""
import numpy as np
import torch
from mmengine import dist


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

"""Random numbers of the branch, apart from everybody else's."""
from typing import Optional

import numpy as np
import torch
from mmengine import dist
from torch import nn


class RandomStream(nn.Module):
    """Draw from the seed, the step and the process alone.

    The stock algorithm draws from torch's global generator (MoCo shuffles its
    batch). If the branch drew from it too, adding the branch would change the
    stock loss; and the generator's state would have to be saved to resume
    exactly. A generator seeded anew at each step needs neither: seed and step
    are buffers, so a resumed run draws what an uninterrupted one would.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('seed', torch.zeros((), dtype=torch.long))
        self.register_buffer('step', torch.zeros((), dtype=torch.long))
        # The same number on the host: reading a buffer that lies on a GPU
        # would wait for it at each step.
        self._host_seed: Optional[int] = None
        self._host_step = 0

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._host_seed = None

    def _to_host(self) -> None:
        if self._host_seed is None:
            self._host_seed, self._host_step = int(self.seed), int(self.step)

    def start(self, seed: int) -> None:
        """Set the seed and return to step 0.

        Args:
            seed (int): At least 0, the same on every process.
        """
        # SyncBuffersHook averages buffers in float32: stay exact in it.
        self.seed.fill_(seed % (1 << 24))
        self.step.zero_()
        self._host_seed = None

    def advance(self) -> None:
        """Go on to the next step."""
        self._to_host()
        self._host_step += 1
        self.step += 1

    def current_step(self) -> int:
        """Tell how many steps there were, without waiting for a device."""
        self._to_host()
        return self._host_step

    def shared(self) -> torch.Generator:
        """Give a generator that draws the same on every process."""
        return self._generator(0)

    def own(self) -> torch.Generator:
        """Give a generator that draws otherwise on every process."""
        return self._generator(1 + dist.get_rank())

    def _generator(self, stream: int) -> torch.Generator:
        self._to_host()
        mixed = np.random.SeedSequence(
            (self._host_seed, self._host_step, stream))
        state = int(mixed.generate_state(1, np.uint64)[0]) >> 1
        return torch.Generator(self.seed.device).manual_seed(state)

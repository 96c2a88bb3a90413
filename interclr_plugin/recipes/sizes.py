"""Which batch, learning rate, queue and epochs suit a number of images."""
import os
from typing import NamedTuple

# Steps of an epoch, where there are images enough for a batch of full size.
_STEPS = 30
_SMALLEST_BATCH = 16
# Views of images in a training: fewer images are seen in more epochs.
_IMAGES_SEEN = 2_000_000
_EPOCHS = 200, 800


class Sizes(NamedTuple):
    """Proposed sizes of a training on one device.

    Args:
        batch_size (int): A power of two.
        lr (float): The recipe's, in proportion to the batch.
        queue_len (int): For MoCo: a power of two, so a multiple of the batch.
        epochs (int): At least 200.
        warmup_epochs (int): With the stock loss alone.
    """
    batch_size: int
    lr: float
    queue_len: int
    epochs: int
    warmup_epochs: int


def propose_sizes(num_images: int, *, batch_size: int, lr: float,
                  lr_batch: int, queue_len: int) -> Sizes:
    """Size a recipe for a data set.

    Args:
        num_images (int): N, at least 4.
        batch_size (int): The recipe's on one device: not exceeded.
        lr (float): The recipe's learning rate.
        lr_batch (int): The batch, on all devices, that ``lr`` is for.
        queue_len (int): The recipe's: not exceeded, nor is N.

    Returns:
        Sizes: Of batches of at least 16 images, if N allows two of them.
    """
    wanted = max(
        min(batch_size, num_images / _STEPS),
        min(_SMALLEST_BATCH, num_images / 2))
    batch = _power_of_two(wanted)
    least, most = _EPOCHS
    epochs = min(max(round(_IMAGES_SEEN / num_images, -2), least), most)
    return Sizes(
        batch_size=batch,
        lr=lr * batch / lr_batch,
        queue_len=_power_of_two(min(queue_len, num_images)),
        epochs=int(epochs),
        # On digits ten epochs of it did harm (benchmarks/README.md).
        warmup_epochs=0)


def workers() -> int:
    """Choose a number of loading processes.

    Returns:
        int: One a core, at most 8.
    """
    return min(8, os.cpu_count() or 1)


def _power_of_two(most: float) -> int:
    return 2**(int(most).bit_length() - 1)

"""Images as the network sees them, for people to look at."""
from pathlib import Path
from typing import List, Tuple

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config

_COLUMNS = 6
# Letters of a title, at most: the end of a path tells more than its start.
_LETTERS = 28


def draw_pictures(path: str, pictures: List[Tuple[str, np.ndarray]]) -> None:
    """Draw images side by side, in rows.

    Args:
        path (str): File to write, of a kind that matplotlib knows; its folder
            is made.
        pictures (list[tuple]): A title, and (H, W, 3) uint8, RGB, of each.

    Raises:
        ValueError: matplotlib writes no such kind of file.
    """
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(
        figsize=(2 * columns, 2.3 * rows), layout='constrained')
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for place in axes:
        place.axis('off')
    for place, (title, image) in zip(axes, pictures):
        place.imshow(image)
        place.set_title(_printable(title), fontsize=7, parse_math=False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _printable(title: str) -> str:
    # Names of files are bytes, which need not be text.
    lines = title.encode('utf-8', 'replace').decode().split('\n')
    return '\n'.join(
        line if len(line) <= _LETTERS else f'...{line[-_LETTERS:]}'
        for line in lines)


def reads_bgr(config: Config) -> bool:
    """Tell whether images come as OpenCV reads them, blue first.

    Args:
        config (Config): Of a pre-training.

    Returns:
        bool: As the preprocessor of either library says.
    """
    # mmpretrain's configurations have it at the top.
    preprocessor = config.model.get('data_preprocessor',
                                    config.get('data_preprocessor')) or {}
    return bool(preprocessor.get('bgr_to_rgb') or preprocessor.get('to_rgb'))


def pixels(item: dict, is_bgr: bool) -> np.ndarray:
    """Show an image as the frozen network sees it.

    Args:
        item (dict): What a test-time view gives.
        is_bgr (bool): Blue comes first.

    Returns:
        ndarray: (H, W, 3) uint8, RGB.
    """
    image = item['inputs'][0]  # (3, H, W)
    if image.dtype != torch.uint8:  # normalised by a transform
        low, high = image.min(), image.max()
        image = (image - low) / (high - low).clamp(min=1e-6) * 255
    if is_bgr:
        image = image.flip(0)
    image = image.to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(image.expand(-1, -1, 3).numpy())

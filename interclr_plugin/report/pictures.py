"""Images of the training set, for people to look at."""
import base64
import io
from typing import Any, Optional

import numpy as np
from mmengine.config import Config
from PIL import Image

from ..results.pictures import pixels, reads_bgr
from ..results.training_set import training_view

# Pixels along the longer edge, at most; smaller images stay as they are.
LARGEST = 112
# Up to this size a PNG is about as small as a JPEG, and exact.
_EXACT = 64


class Pictures:
    """The training set of a configuration, in its test-time view.

    To be built in the configuration's scope.

    Args:
        config (Config): Of a pre-training, in either library.
        recorded (str, optional): The checkpoint's fingerprint of its images.
            None: not checked.

    Raises:
        ValueError: The images, or their order, are others than those of the
            checkpoint.
    """

    def __init__(self,
                 config: Config,
                 recorded: Optional[str] = None) -> None:
        self.view = training_view(config, recorded)
        self.is_bgr = reads_bgr(config)
        self.names = (self.view.metainfo or {}).get('classes')
        self.classes = self._read_classes()  # (N,) int, or None

    def __len__(self) -> int:
        return len(self.view)

    def name(self, index: int) -> Optional[str]:
        """Name the true class of an image.

        Args:
            index (int): Position in the training set.

        Returns:
            str, optional: None where it is not known.
        """
        if self.classes is None:
            return None
        return self.name_class(self.classes[index])

    def name_class(self, number: int) -> str:
        """Name a class; its number where it has no name."""
        if self.names and number < len(self.names):
            return str(self.names[number])
        return str(number)

    def uri(self, index: int) -> str:
        """Encode an image, small, for the page itself.

        Args:
            index (int): Position in the training set.

        Returns:
            str: A data URI.
        """
        picture = Image.fromarray(self.pixels(index))
        picture.thumbnail((LARGEST, LARGEST))
        kind = 'png' if max(picture.size) <= _EXACT else 'jpeg'
        buffer = io.BytesIO()
        picture.save(buffer, format=kind, **dict(
            png=dict(optimize=True), jpeg=dict(quality=85))[kind])
        return data_uri(f'image/{kind}', buffer.getvalue())

    def pixels(self, index: int) -> np.ndarray:
        """Show an image as the frozen network sees it.

        Args:
            index (int): Position in the training set.

        Returns:
            ndarray: (H, W, 3) uint8, RGB.
        """
        return pixels(self.view[index], self.is_bgr)

    def _read_classes(self) -> Optional[np.ndarray]:
        found = []
        for index in range(len(self.view)):
            found.append(_class_of(self.view.get_data_info(index)))
            if found[-1] is None:
                return None
        return np.asarray(found)


def data_uri(kind: str, content: bytes) -> str:
    """Put content into an address.

    Args:
        kind (str): Its MIME type.
        content (bytes): Of the file.

    Returns:
        str: ``data:...``.
    """
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def _class_of(entry: dict) -> Optional[int]:
    label: Any = entry.get('gt_label')
    # mmselfsup's ImageList marks an image without a label by -1.
    if label is None or np.ndim(label) or label < 0:
        return None
    return int(label)

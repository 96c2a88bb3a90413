"""Images of the training set, for people to look at."""
import base64
import io
import os
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
from mmengine.config import Config
from PIL import Image

from ..results.pictures import pixels, reads_bgr
from ..results.training_set import file_names, training_view
from .labels import read_labels

# Pixels along the longer edge, at most; smaller images stay as they are.
LARGEST = 160
# Pixels along an image of a strip.
STRIP_EDGE = 40
# Up to this size a PNG is about as small as a JPEG, and exact.
_EXACT = 64


class Pictures:
    """The training set of a configuration, in its test-time view.

    To be built in the configuration's scope.

    Args:
        config (Config): Of a pre-training, in either library.
        recorded (str, optional): The checkpoint's fingerprint of its images.
            None: not checked.
        labels (str, optional): Where the true classes come from, as for
            :func:`~.labels.read_labels`. None: from the data set.

    Raises:
        ValueError: The images, or their order, are others than those of the
            checkpoint; or one has no class in ``labels``.
    """

    def __init__(self,
                 config: Config,
                 recorded: Optional[str] = None,
                 labels: Optional[str] = None) -> None:
        self.view = training_view(config, recorded)
        self.is_bgr = reads_bgr(config)
        if labels is None:
            self.names = (self.view.metainfo or {}).get('classes')
            self.classes = self._read_classes()  # (N,) int, or None
        else:
            self.classes, self.names = read_labels(labels,
                                                   file_names(self.view))

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

    def file(self, index: int) -> Optional[str]:
        """Name the file of an image, from the data set's folder on.

        Args:
            index (int): Position in the training set.

        Returns:
            str, optional: None where the data set holds no files. Bytes that
            are no text stand as in Python, ``\\udcff``.
        """
        path = self.view.get_data_info(index).get('img_path')
        if path is None:
            return None
        root = os.path.join(getattr(self.view, 'data_root', None) or '', '')
        path = str(path)
        if root and path.startswith(root):
            path = path[len(root):]
        path = path.replace(str(Path.home()) + os.sep, '~/')
        return path.encode(errors='backslashreplace').decode()

    def uri(self, index: int) -> str:
        """Encode an image, small, for the page itself.

        Args:
            index (int): Position in the training set.

        Returns:
            str: A data URI.
        """
        picture = Image.fromarray(self.pixels(index))
        picture.thumbnail((LARGEST, LARGEST))
        return encode(picture)

    def strip(self, indices: Sequence[int]) -> str:
        """Encode some images side by side, as one small picture.

        Args:
            indices (Sequence[int]): One or more positions.

        Returns:
            str: A data URI.
        """
        picture = Image.new('RGB', (len(indices) * STRIP_EDGE, STRIP_EDGE),
                            'white')
        for place, index in enumerate(indices):
            picture.paste(self.square(index, STRIP_EDGE - 2),
                          (place * STRIP_EDGE + 1, 1))
        return encode(picture)

    def square(self, index: int, edge: int) -> Image.Image:
        """Show an image in a square.

        Args:
            index (int): Position in the training set.
            edge (int): Pixels.

        Returns:
            Image: RGB.
        """
        return Image.fromarray(self.pixels(index)).resize(
            (edge, edge), Image.BILINEAR)

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


def encode(picture: Image.Image) -> str:
    """Put a picture into an address.

    Args:
        picture (Image): RGB, or RGBA, which becomes a WebP.

    Returns:
        str: A data URI.
    """
    kind = 'png' if max(picture.size) <= _EXACT else 'jpeg'
    if picture.mode == 'RGBA':
        kind = 'webp'
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **dict(
        png=dict(optimize=True),
        jpeg=dict(quality=80),
        webp=dict(quality=80))[kind])
    return data_uri(f'image/{kind}', buffer.getvalue())


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

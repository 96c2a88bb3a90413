"""How a training set's transforms are run: with the image's name in errors.

The libraries' loaders give up with an AssertionError, a cv2.error or an
OSError of which few name the file, and none says what to do.
"""
from typing import Callable, Optional, Sequence, Union

from mmengine.dataset import Compose
from mmengine.logging import MMLogger

from .image_files import check_image, shown

ADVICE = (
    'Every such file is listed by `python -m interclr_plugin init FOLDER`, '
    "and train_dataloader=dict(dataset=dict(type='ImageFolder', "
    'skip_bad=True)) leaves them out. A resume needs the images of before: '
    'put the file back, or start a new run with load_from=CHECKPOINT.')
# Warnings of a process, where a whole disk may be gone.
_MOST_WARNINGS = 20


class ImagePipeline(Compose):
    """Transforms, one after the other, that name the image they fail on.

    Args:
        transforms (Sequence[dict | Callable]): As of mmengine's Compose.
        first (int): Position of the data set's first image where several
            sets are joined: added to ``sample_idx``. Defaults to 0.
        skip_bad (bool): Give None for an image that fails, so that training
            takes another in its place, and warn. Defaults to False: an error.
    """

    def __init__(self,
                 transforms: Sequence[Union[dict, Callable]],
                 *,
                 first: int = 0,
                 skip_bad: bool = False) -> None:
        super().__init__(transforms)
        self.first = first
        self.skip_bad = skip_bad
        self._warned = set()

    def __call__(self, data: dict) -> Optional[dict]:
        """Run the transforms.

        Args:
            data (dict): An entry of the data set.

        Returns:
            dict, optional: What comes out; None where a transform gives none.

        Raises:
            ValueError: A transform failed, and ``skip_bad`` is off.
        """
        path = data.get('img_path')
        # Kept as text: a transform may replace what it was given.
        name = f"number {data.get('sample_idx')}" if path is None else path
        if 'sample_idx' in data:
            data['sample_idx'] += self.first
        for transform in self.transforms:
            try:
                data = transform(data)
            except Exception as error:  # whatever a loader raises
                said = _describe(path, name, transform, error)
                if not self.skip_bad:
                    raise ValueError(f'{said} {ADVICE}') from error
                self._warn(name, said)
                return None
            if data is None:
                return None
        return data

    def _warn(self, name: str, said: str) -> None:
        if name not in self._warned and len(self._warned) < _MOST_WARNINGS:
            self._warned.add(name)
            MMLogger.get_current_instance().warning(
                f'{said} Another image takes its place, and its row of the '
                'memory bank stays as it was.')


def _describe(path: Optional[str], name: str, transform: Callable,
              error: Exception) -> str:
    fault = ''
    if path is not None and '://' not in str(path):
        fault = check_image(str(path))[1]
    words = ' '.join(str(error).split())
    reason = fault or (f'{type(transform).__name__} gives up with '
                       f'{type(error).__name__}: {words[:300]}')
    return shown(f'The image {name} cannot be used: {reason}.')

"""Which training images are most similar to one image."""
import functools
import os
from typing import TYPE_CHECKING, Any, Callable, List, Optional

import numpy as np
from mmengine.registry import DefaultScope
from torch.utils.data import Subset

from ..checkpoints import load_checkpoint
from ..datasets.fingerprint import saved_fingerprint
from .bank import most_similar, read_bank
from .embedder import Embedder
from .embedding import compute
from .images import ImageFiles
from .pictures import draw_pictures, pixels, reads_bgr
from .source import find_source
from .table_file import import_pandas
from .training_set import file_names, training_view

if TYPE_CHECKING:
    from pandas import DataFrame

SPACES = ('projections', 'features')


def neighbours(
    run: str,
    image: str,
    k: int = 10,
    *,
    by: Optional[str] = None,
    out: Optional[str] = None,
    config: Optional[str] = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: Optional[str] = None,
    progress: Callable[[str], None] = lambda doing: None) -> 'DataFrame':
    """Find the training images that are most similar to an image.

    Args:
        run (str): Work directory of a training, checkpoint, or file that
            ``publish`` made.
        image (str): A file, new or of the training, which is then not its
            own neighbour; or an image's position in the training set.
        k (int): How many, 1 to N.
        by (str, optional): ``'projections'`` compares the rows of the bank
            with the image's own, or with what the network that fills the
            bank gives of a new image, which takes no time; ``'features'``
            computes the backbone's features of all training images. None:
            projections where the checkpoint has a bank.
        out (str, optional): Picture to draw of them, .png or any that
            matplotlib writes. None: none.
        config (str, optional): Configuration of the pre-training. None: that
            in the work directory.
        batch_size (int): Images at a time, at least 1.
        num_workers (int): Loader processes, 0 for none.
        device (str, optional): Where to compute. None: GPU if there is one.
        progress (Callable): Told in words what is done next.

    Returns:
        DataFrame: k rows, the most similar image first: ``file``, and
        ``similarity``, cosine. The index has positions in the training set.

    Raises:
        FileNotFoundError: There is no such run, configuration or image.
        ImportError: pandas is missing.
        ValueError: ``k`` or ``by`` is outside its range, or the checkpoint,
            the image or the training set cannot be read.
    """
    pandas = import_pandas()
    if by not in (None, *SPACES):
        raise ValueError(f'by={by!r} is unknown; allowed: '
                         f'{", ".join(map(repr, SPACES))}.')
    source = find_source(run, config)
    settings = source.config
    progress(f'reading {source.path}')
    checkpoint = load_checkpoint(str(source.path))
    state = checkpoint['state_dict']
    bank = read_bank(state)
    if bank is None and by == SPACES[0]:
        raise ValueError(
            f"{source.path} holds no memory bank, which by='projections' "
            "compares with. Choose by='features'.")
    with DefaultScope.overwrite_default_scope(settings.get('default_scope')):
        view = training_view(settings, saved_fingerprint(checkpoint))
        files = file_names(view)
        position = find_position(image, files)
        one: Any = Subset(view, [position]) if (
            position is not None) else ImageFiles(settings, [image])

        by_rows = bank is not None and by != 'features'
        model = functools.partial(
            Embedder, settings, str(source.path), state, rows=by_rows)
        loading = (device, batch_size, num_workers)
        rows = bank.features if by_rows else None
        if rows is None:
            progress(f'features of {len(view)} images')
            rows = compute(model(), view, *loading)[0]
        if position is not None:
            query = rows[position]
        else:
            query = compute(model(), one, *loading)[2 if by_rows else 0][0]
        found = [
            each.tolist() for each in most_similar(query, rows, k, position)
        ]
        if out is not None:
            is_bgr = reads_bgr(settings)
            draw_pictures(out, [(image, pixels(one[0], is_bgr))] + [
                (f'{similarity:.3f}\n{files[index]}',
                 pixels(view[index], is_bgr))
                for index, similarity in zip(*found)
            ])
    index, similarity = found
    return pandas.DataFrame(
        dict(
            file=[files[each] for each in index],
            similarity=np.array(similarity, np.float32)),
        index=index)


def find_position(image: str, files: List[str]) -> Optional[int]:
    """Find an image in the training set.

    Args:
        image (str): A file, or a position.
        files (list[str]): Names of the N training images.

    Returns:
        int, optional: Its position, 0 to N - 1. None: a file that is not
        among them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is no such position.
    """
    if os.path.isfile(image):
        # What the paths lead to is asked for where the last names agree.
        name, path = os.path.basename(image), os.path.realpath(image)
        for position, file in enumerate(files):
            if os.path.basename(file) == name and (
                    os.path.realpath(file) == path):
                return position
        return None
    if not image.isdigit():
        raise FileNotFoundError(
            f'there is no image {image}. Name a file, or a position in the '
            f'training set, 0 to {len(files) - 1}.')
    if int(image) >= len(files):
        raise ValueError(f'there is no image {image} in the training set: '
                         f'positions are 0 to {len(files) - 1}.')
    return int(image)

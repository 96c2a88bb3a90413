"""Features, projections and clusters of any images, by a trained model."""
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from ..checkpoints import load_checkpoint
from ..datasets.extraction import extract
from ..datasets.fingerprint import saved_fingerprint
from ..evaluation.features import require_finite
from ..inter_image import kmeans
from .bank import Bank, read_bank
from .embedder import Embedder
from .images import ImageFiles, list_images
from .source import find_source
from .training_set import file_names, training_view


class Embedding(NamedTuple):
    """What a trained model makes of n images."""
    files: List[str]  # n paths; positions where a data set holds no files
    features: np.ndarray  # (n, D) float32, of the backbone, pooled
    projections: Optional[np.ndarray]  # (n, P) float32, of the neck
    clusters: Optional[np.ndarray]  # (n,) int64
    similarity: Optional[np.ndarray]  # (n,) float32, with that centroid
    lacks: str  # why there are no projections or clusters; mostly empty


def embed(run: str,
          images: Optional[Sequence[str]] = None,
          *,
          config: Optional[str] = None,
          batch_size: int = 256,
          num_workers: int = 0,
          device: Optional[str] = None,
          progress: Callable[[str], None] = lambda doing: None) -> Embedding:
    """Compute features and projections of images, new ones or the training's.

    Each image is seen once, in the test-time view of the training. Where the
    checkpoint has a bank, there are clusters too: those that the training's
    own rule would choose, by the network that fills the bank (of MoCo, say,
    the momentum encoder). For an image of the training it is not always the
    one that was stored for an augmented view: :func:`clusters` has those.

    Args:
        run (str): Work directory of a training, checkpoint, or file that
            ``publish`` made.
        images (Sequence[str], optional): Image files, folders and ``.txt``
            lists of files. None: the training set.
        config (str, optional): Configuration of the pre-training. None: that
            in the work directory.
        batch_size (int): Images at a time, at least 1.
        num_workers (int): Loader processes, 0 for none.
        device (str, optional): Where to compute. None: GPU if there is one.
        progress (Callable): Told in words what is done next.

    Returns:
        Embedding: Arrays of n rows, in the order of ``files``. What the file
        does not hold is None: projections need a neck, clusters a bank.

    Raises:
        FileNotFoundError: There is no such run, configuration or image.
        ValueError: The checkpoint or an image cannot be read, or they do not
            fit the configuration.
    """
    source = find_source(run, config)
    given = None if images is None else list_images(images)
    progress(f'reading {source.path}')
    checkpoint = load_checkpoint(str(source.path))
    bank = read_bank(checkpoint['state_dict'])
    settings = source.config
    with DefaultScope.overwrite_default_scope(settings.get('default_scope')):
        model = Embedder(
            settings,
            str(source.path),
            checkpoint['state_dict'],
            rows=bank is not None)
        if given is None:
            view: Any = training_view(settings, saved_fingerprint(checkpoint))
            files = file_names(view)
        else:
            view, files = ImageFiles(settings, given), given
        progress(f'features of {len(files)} images')
        features, projections, rows = compute(
            model, view, device, batch_size, num_workers)
    clusters = similarity = None
    lacks = [f'no projections: {model.lacks}'] if model.lacks else []
    if bank is None:
        lacks.append('no clusters: the file holds no clustered memory bank')
    elif rows is not None:
        clusters, similarity = nearest_clusters(rows, bank, settings)
    return Embedding(files, features.numpy(), _numpy(projections),
                     _numpy(clusters), _numpy(similarity), '; '.join(lacks))


def compute(
    model: Embedder, view: Any, device: Optional[str], batch_size: int,
    num_workers: int
) -> Tuple[Tensor, Optional[Tensor], Optional[Tensor]]:
    """Compute features, and projections where there is a neck.

    Args:
        model (Embedder): Moved to the device.
        view (Dataset): n items of a test-time view.
        device (str, optional): None: GPU if there is one.
        batch_size (int): Images at a time.
        num_workers (int): Loader processes.

    Returns:
        tuple: (n, D) features; (n, P) projections, and (n, P) those by which
        the bank would know the images, which a momentum encoder gives where
        the algorithm has one: both None without a neck. All are float32, on
        the CPU.

    Raises:
        ValueError: One is NaN or infinite.
    """
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    everything = extract(
        view,
        model.to(device),
        model,
        batch_size=batch_size,
        num_workers=num_workers).cpu()
    require_finite(everything)
    features, *others = everything.split(model.widths, dim=1)
    return (features, *(others[:1] or [None]), *(others[-1:] or [None]))


def nearest_clusters(rows: Tensor, bank: Bank,
                     config: Config) -> Tuple[Tensor, Tensor]:
    """Give each image a cluster, by the rule of the training.

    Args:
        rows (Tensor): (n, P) as the bank would store, any length.
        bank (Bank): Of the checkpoint.
        config (Config): Of the training: tells the rule.

    Returns:
        tuple: (n,) cluster numbers, and (n,) the cosine with each centroid.

    Source: docs/method.md 3.3 and 3.5.
    """
    rows = F.normalize(rows, dim=1)
    units = F.normalize(bank.centroids, dim=1)
    labels = config.model.inter_image.get('labels') or {}
    geometry = labels.get('geometry', 'plain')
    if labels.get('type') == 'OfflineKMeans':
        clusters = kmeans.nearest(rows, bank.centroids, geometry)
    else:
        clusters = kmeans.assign(
            rows, units if geometry == 'spherical' else bank.centroids)
    return clusters, (rows * units[clusters]).sum(1)


def _numpy(tensor: Optional[Tensor]) -> Optional[np.ndarray]:
    return None if tensor is None else tensor.numpy()

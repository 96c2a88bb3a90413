"""What a checkpoint's features tell without labels, beside an untrained net's.

Nothing of it depends on the loss, whose level changes with the queue, the
number of negatives and the method.
"""
import copy
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from torch import Tensor
from torch.utils.data import Subset

from ..checkpoints import load_backbone, load_state_dict
from ..datasets import RandomView, centre_view
from ..evaluation import extract_features
from ..evaluation.benchmark import FrozenModel
from ..monitors.measures import closeness, effective_rank, retrieved

# Images whose features are compared: two standard errors of a share of them
# are 0.03 at most.
IMAGES = 1000
LEAST = 50


class Evidence(NamedTuple):
    """What the features of some training images tell; pairs are of the
    untrained network and of the checkpoint."""
    images: int
    retrieval: Tuple[float, float]  # of a second view, among all the images
    noise: float  # two standard errors of the difference of these
    closeness: Tuple[float, float]  # of two views, 1 is chance
    rank: Tuple[float, float]  # directions in use


class Features:
    """Features of the same images for every network that is asked about.

    To be built and used in the configuration's scope.

    Args:
        config (Config): Of a pre-training, in either library.
        seed (int): Of the untrained network.
        loading (dict): ``device`` and ``num_workers`` of each extraction.
        progress (Callable): Told in words what is done next.

    Raises:
        ValueError: There are too few images.
    """

    def __init__(self, config: Config, seed: int, loading: dict,
                 progress: Callable[[str], None]) -> None:
        self._config = config
        self._seed = seed
        self._loading = loading
        self._progress = progress
        self._dataset = DATASETS.build(
            copy.deepcopy(config.train_dataloader.dataset))
        view = centre_view(self._dataset)
        if len(view) < LEAST:
            raise ValueError(f'{len(view)} images are too few to tell by: '
                             f'{LEAST} are needed.')
        order = np.random.RandomState(0).permutation(len(view))
        self.index = np.sort(order[:IMAGES])  # (n,) positions of the images
        self._view = Subset(view, self.index)

    def of(self, checkpoint: Optional[Path]) -> Dict[str, np.ndarray]:
        """Extract the features of all views.

        Args:
            checkpoint (Path, optional): None: the untrained network.

        Returns:
            dict: (n, D) each: ``centre``, ``first`` and ``second``, the last
            two of random views.

        Raises:
            ValueError: A feature is NaN, or the checkpoint does not fit.
        """
        model = FrozenModel(self._config, self._seed)
        if checkpoint is not None:
            load_backbone(model.backbone, str(checkpoint))
        name = 'initial weights' if checkpoint is None else checkpoint.name
        views = dict(
            centre=self._view,
            first=RandomView(self._dataset, self.index, 0),
            second=RandomView(self._dataset, self.index, 1))
        features = {}
        for title, view in views.items():
            self._progress(
                f'{title} views of {len(self.index)} images, {name}')
            features[title] = extract_features(model, view, **self._loading)
        return features


def compare_features(before: Dict[str, np.ndarray],
                     after: Dict[str, np.ndarray]) -> Evidence:
    """Compare a checkpoint's features with the untrained network's.

    Args:
        before (dict): Of :meth:`Features.of`, of the untrained network.
        after (dict): The same, of the checkpoint.

    Returns:
        Evidence: All of it.
    """
    both = [{name: torch.from_numpy(rows)
             for name, rows in each.items()} for each in (before, after)]
    hits = [retrieved(each['first'], each['second']) for each in both]
    gain = hits[1] - hits[0]  # (n,): the images are the same, so in pairs
    return Evidence(
        len(gain), _pair(lambda i: hits[i].mean()),
        2 * float(gain.std() / len(gain)**0.5),
        _pair(lambda i: closeness(both[i]['first'], both[i]['second'])),
        _pair(lambda i: effective_rank(both[i]['centre'])))


def weight_faults(paths: List[Path]) -> Optional[str]:
    """Look for what tells that nothing can have been learned.

    Args:
        paths (list[Path]): Checkpoints of a run, in order; only the first and
            the last are read.

    Returns:
        str, optional: Why, as a sentence.
    """
    last = _backbone(paths[-1])
    bad = sum(not bool(weight.isfinite().all()) for weight in last.values())
    if bad:
        return (f'{bad} of {len(last)} weights of the backbone hold NaN or '
                'infinity: the training diverged.')
    if len(paths) > 1:
        first = _backbone(paths[0])
        if first.keys() == last.keys() and all(
                torch.equal(first[name], last[name]) for name in last):
            return (f'not one weight of the backbone changed between '
                    f'{paths[0].stem} and {paths[-1].stem}: the learning rate '
                    'is 0, or the backbone is frozen.')
    return None


def _backbone(path: Path) -> Dict[str, Tensor]:
    # Statistics of batch norm move without any learning.
    return {
        name: weight
        for name, weight in load_state_dict(str(path)).items()
        if name.startswith('backbone.') and weight.is_floating_point()
        and 'running_' not in name
    }


def _pair(measure: Callable[[int], float]) -> Tuple[float, float]:
    return float(measure(0)), float(measure(1))

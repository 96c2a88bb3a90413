"""What the demo shows: a table and a figure."""
import json
from pathlib import Path
from typing import Dict, List, Tuple

import matplotlib
import torch
from rich.table import Table
from training import Training

from interclr_plugin.evaluation import load_state_dict

matplotlib.use('Agg')  # no display is needed
from matplotlib import pyplot as plt  # noqa: E402  isort: skip

COLOURS = ('tab:grey', 'tab:blue')


def table(rows: List[dict]) -> Table:
    """Lay the results out.

    Args:
        rows (list[dict]): ``name``, ``knn`` and ``linear`` (0 to 1) and
            ``seconds`` of each.

    Returns:
        Table: For rich to print.
    """
    result = Table(title='Digits, top-1 accuracy on frozen features')
    for heading in ('', 'kNN', 'linear', 'pre-training, seconds'):
        result.add_column(heading, justify='right' if heading else 'left')
    for row in rows:
        result.add_row(row['name'], f"{row['knn']:.3f}",
                       f"{row['linear']:.3f}", f"{row['seconds']:.0f}")
    return result


def figure(path: Path, trainings: List[Training],
           knn: Dict[str, List[Tuple[int, float]]]) -> None:
    """Draw losses, kNN accuracy over the epochs and cluster sizes.

    Args:
        path (Path): PNG to write.
        trainings (list[Training]): Finished ones.
        knn (dict): Per name of a training, (epoch, accuracy) pairs.
    """
    drawing, (losses, accuracy, sizes) = plt.subplots(
        1, 3, figsize=(13, 3.6), layout='constrained')
    for training, colour in zip(trainings, COLOURS):
        curves = loss_curves(training.work_dir)
        for style, (key, points) in zip(('-', '--', ':'), curves.items()):
            label = training.name
            if key != 'loss':
                label += f", {key.replace('_loss', '-image')} part"
            losses.plot(*zip(*points), style, color=colour, label=label)
        accuracy.plot(
            *zip(*knn[training.name]), 'o-', color=colour, label=training.name)
        counts = cluster_sizes(training.last_checkpoint)
        if len(counts):
            sizes.bar(range(len(counts)), counts, color=colour)
    losses.set(title='Training loss')
    accuracy.set(title='kNN top-1, frozen features')
    for plot in (losses, accuracy):
        plot.set(xlabel='epoch')
        plot.xaxis.get_major_locator().set_params(integer=True)
        plot.legend(fontsize='small')
    sizes.set(
        title='Cluster sizes after the last epoch',
        xlabel='cluster, largest first',
        ylabel='images')
    drawing.savefig(path, dpi=120)
    plt.close(drawing)


def loss_curves(work_dir: Path) -> Dict[str, List[Tuple[float, float]]]:
    """Losses that a run has logged, over its interruptions.

    Args:
        work_dir (Path): Of the run.

    Returns:
        dict[str, list]: ``loss``, the total, then its intra- and inter-image
        parts where there are any: (epoch, loss) pairs in order.
    """
    entries = {}
    # One folder per start, named by its time. Steps that a resumed run
    # repeats count as it logged them.
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if 'loss' in entry:
                entries[entry['step']] = entry
    keys = ['loss'] + [
        key for key in ('intra_loss', 'inter_loss')
        if any(key in entry for entry in entries.values())
    ]
    return {
        key: [(entries[step]['epoch'], entries[step][key])
              for step in sorted(entries)]
        for key in keys
    }


def cluster_sizes(checkpoint: Path) -> List[int]:
    """Images per cluster at the time of a checkpoint.

    Args:
        checkpoint (Path): Of any pre-training.

    Returns:
        list[int]: Largest first; empty where the run had no clusters.
    """
    for name, value in load_state_dict(str(checkpoint)).items():
        if name.startswith('inter_image.') and name.endswith('labels'):
            return torch.bincount(value).sort(descending=True)[0].tolist()
    return []

"""What the demo shows: a table and a figure."""
from pathlib import Path
from typing import Dict, List, Tuple

import matplotlib
from rich.box import MARKDOWN
from rich.table import Table
from training import Training

from interclr_plugin.checkpoints import load_state_dict
from interclr_plugin.report import cluster_sizes, read_scalars

matplotlib.use('Agg')  # no display is needed
from matplotlib import pyplot as plt  # noqa: E402  isort: skip

COLOURS = ('tab:grey', 'tab:blue')
LOSSES = ('loss', 'intra_loss', 'inter_loss')


def table(rows: List[dict]) -> Table:
    """Lay the results out.

    Args:
        rows (list[dict]): ``name``, ``knn`` and ``linear`` (0 to 1) and
            ``seconds`` of each.

    Returns:
        Table: For rich to print.
    """
    result = Table(
        title='Digits, top-1 accuracy on frozen features', box=MARKDOWN)
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
        curves = read_scalars(training.work_dir).curves
        for style, key in zip(('-', '--', ':'), LOSSES):
            if key not in curves:
                continue
            label = training.name
            if key != 'loss':
                label += f", {key.replace('_loss', '-image')} part"
            losses.plot(*zip(*curves[key]), style, color=colour, label=label)
        accuracy.plot(
            *zip(*knn[training.name]), 'o-', color=colour, label=training.name)
        counts = cluster_sizes(
            load_state_dict(str(training.last_checkpoint)))
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

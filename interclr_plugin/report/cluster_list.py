"""All clusters in a line each, to be sorted by size, purity or change."""
from typing import Any, Dict, List, Optional

import numpy as np
import torch

from ..results.bank import Bank, similarity_to_centroid
from ..results.cluster_table import ranks
from ..results.members import choose_clusters
from .pictures import Pictures

# So many clusters at most, each with so many images: this bounds the page.
MOST = 300
SHOWN = 8


def list_clusters(bank: Bank, pictures: Pictures,
                  before: Optional[np.ndarray]) -> Dict[str, Any]:
    """Describe the clusters of a checkpoint.

    Args:
        bank (Bank): Of the checkpoint.
        pictures (Pictures): Of its N images.
        before (ndarray, optional): (N,) the cluster of each image at an
            earlier checkpoint.

    Returns:
        dict: ``rows``, larger clusters first; ``total``, of clusters with
        members; ``orders``, by which else they can be sorted: for each key of
        a row the words for it, and the clusters in that order.
    """
    labels = bank.labels.numpy()
    similarity = similarity_to_centroid(bank).numpy()
    places = ranks(labels, similarity)
    chosen = choose_clusters(bank.labels, MOST)
    rows = [
        _row(cluster, labels, similarity, places, pictures, before)
        for cluster in chosen
    ]
    words = dict(
        similarity='least alike first',
        purity='least pure first',
        change='most changed first')
    orders = {
        key: (text, [
            row['cluster'] for row in sorted(
                rows, key=lambda row: row[key], reverse=key == 'change')
        ])
        for key, text in words.items() if rows[0][key] is not None
    }
    return dict(
        rows=rows, total=int(len(torch.unique(bank.labels))), orders=orders)


def share_that_changed(before: np.ndarray) -> float:
    """Tell how many members of a cluster have come from elsewhere.

    Clusters may have been numbered anew in between, so that what most of its
    members were in counts as the same cluster.

    Args:
        before (ndarray): (n,) in which cluster each was.

    Returns:
        float: 0 to below 1.
    """
    return 1 - np.bincount(before).max() / len(before)


def _row(cluster: int, labels: np.ndarray, similarity: np.ndarray,
         places: np.ndarray, pictures: Pictures,
         before: Optional[np.ndarray]) -> Dict[str, Any]:
    index = np.flatnonzero(labels == cluster)
    nearest: List[int] = index[np.argsort(places[index])][:SHOWN].tolist()
    main = purity = change = None
    if pictures.classes is not None:
        counts = np.bincount(pictures.classes[index])
        main = pictures.name_class(int(counts.argmax()))
        purity = counts.max() / len(index)
    if before is not None:
        change = share_that_changed(before[index])
    return dict(
        cluster=cluster,
        size=len(index),
        main=main,
        purity=purity,
        change=change,
        similarity=float(similarity[index].mean()),
        images=len(nearest),
        uri=pictures.strip(nearest))

"""The monitors' arithmetic against loops and other libraries."""
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import pdist
from sklearn.metrics.cluster import contingency_matrix

from interclr_plugin.monitors import measures


def unit_rows(count, width, seed=0, spread=1.):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, width, generator=generator) * spread
    return F.normalize(rows + torch.eye(width)[0], dim=1)


@pytest.mark.parametrize('shape', [(40, 7), (7, 40)])
def test_effective_rank(shape):
    """Without it a short cut (the squared product) could be off."""
    rows = unit_rows(*shape)
    values = np.linalg.svd(rows.double().numpy(), compute_uv=False)
    share = values / values.sum()
    expected = math.exp(-sum(p * math.log(p) for p in share))
    assert float(measures.effective_rank(rows)) == pytest.approx(expected)


def test_effective_rank_of_known_features():
    """Without it neither end of the scale would be certain."""
    equal = torch.ones(30, 5)
    assert float(measures.effective_rank(equal)) == pytest.approx(1, abs=1e-4)
    axes = torch.eye(5).repeat(6, 1)
    assert float(measures.effective_rank(axes)) == pytest.approx(5)
    assert float(measures.effective_rank(torch.zeros(9, 5))) == 1


def test_relative_std():
    """Without it the limit of an alarm would depend on the width."""
    assert float(measures.relative_std(torch.ones(9, 4) / 2)) == 0
    for width in (16, 256):
        rows = F.normalize(torch.randn(
            4000, width, generator=torch.Generator().manual_seed(0)), dim=1)
        assert float(measures.relative_std(rows)) == pytest.approx(1, abs=.02)
    rows = unit_rows(30, 6)
    expected = rows.numpy().std(0, ddof=1).mean() * math.sqrt(6)
    assert float(measures.relative_std(rows)) == pytest.approx(expected)


@pytest.mark.parametrize('spread', [0.01, 1.])
def test_uniformity(spread):
    """Without it a row compared with itself could count as a pair."""
    rows = unit_rows(30, 6, spread=spread)
    distances = pdist(rows.double().numpy())
    expected = math.log(np.exp(-2 * distances**2).mean())
    assert float(measures.uniformity(rows)) == pytest.approx(
        expected, rel=1e-4, abs=1e-6)


def test_alignment():
    """Without it the rows' lengths could count."""
    query, key = unit_rows(9, 4, 1), unit_rows(9, 4, 2)
    expected = np.mean([
        sum((a - b)**2 for a, b in zip(q, k))
        for q, k in zip(query.tolist(), key.tolist())
    ])
    found = measures.alignment(3 * query, 0.1 * key)
    assert float(found) == pytest.approx(expected)


def test_size_entropy():
    """Without it the entropy could have another scale."""
    even = torch.full((7, ), 3)
    assert float(measures.size_entropy(even)) == pytest.approx(1)
    assert float(measures.size_entropy(torch.tensor([0, 12, 0]))) == 0
    sizes = [5, 1, 10, 0]
    expected = -sum(s / 16 * math.log(s / 16) for s in sizes if s)
    assert float(measures.size_entropy(
        torch.tensor(sizes))) == pytest.approx(expected / math.log(4))


def test_hardest_share():
    """Without it a free slot could count, or a hundredth of all slots."""
    generator = torch.Generator().manual_seed(0)
    negatives = torch.rand(5, 250, generator=generator) * 2 - 1
    valid = torch.rand(5, 250, generator=generator) < 0.7
    valid[3] = False
    valid[4] = False
    valid[4, 17] = True
    found = measures.hardest_share(negatives, valid, 0.2).tolist()
    for row, here, value in zip(negatives.tolist(), valid.tolist(), found):
        weights = sorted((math.exp(s / 0.2) for s, v in zip(row, here) if v),
                         reverse=True)
        count = math.ceil(len(weights) / 100)
        expected = sum(weights[:count]) / sum(weights) if weights else 0
        assert value == pytest.approx(expected)


@pytest.mark.parametrize('exclude_itself', [False, True])
def test_true_positives_and_purity(exclude_itself):
    """Without it the shares could be of clusters, not of images.

    The reference goes through every query and every positive.
    """
    random = np.random.RandomState(0)
    truth = random.randint(4, size=60)
    labels = random.randint(7, size=60) * 2  # half of the clusters are empty
    labels[truth == 0] = 4
    labels[7] = 3  # alone
    table = contingency_matrix(truth, labels, sparse=True)
    shares, pure = [], 0
    for image in range(60):
        others = [
            i for i in range(60) if labels[i] == labels[image] and
            (i != image or not exclude_itself)
        ] or [image]
        shares.append(np.mean(truth[others] == truth[image]))
    for cluster in set(labels):
        pure += max(np.bincount(truth[labels == cluster]))
    assert measures.true_positives(
        table, exclude_itself) == pytest.approx(np.mean(shares))
    assert measures.purity(table) == pytest.approx(pure / 60)

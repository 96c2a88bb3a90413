"""The pool of candidates beside the exact pool."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from interclr_plugin.inter_image import PairSampler

NUM_IMAGES, BATCH, NEGATIVES, FRACTION = 2000, 8, 40, 0.1
DRAWS = 200


def draws(strategy, pool):
    """Ranks of all negatives among the valid images, 0 at the pool's end."""
    sign = 1 if strategy == 'semi-hard' else -1
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(
        torch.randn(NUM_IMAGES, 16, generator=generator), dim=1)
    labels = torch.randint(20, (NUM_IMAGES, ), generator=generator)
    index = torch.arange(0, 80, 10)
    query = F.normalize(torch.randn(BATCH, 16, generator=generator), dim=1)
    sampler = PairSampler(
        strategy=strategy,
        num_negatives=NEGATIVES,
        pool_fraction=FRACTION,
        pool=pool)
    sampler.allocate(NUM_IMAGES)
    similarity = (query @ features.t()).numpy()
    ranks = []
    for _ in range(DRAWS):
        pairs = sampler(query, index, features, labels, generator)
        assert pairs.valid.all()
        for row in range(BATCH):
            negatives = pairs.negatives[row].numpy()
            assert len(set(negatives)) == NEGATIVES
            assert (labels[negatives] != labels[index[row]]).all()
            np.testing.assert_allclose(
                pairs.negative_similarity[row].numpy(),
                similarity[row, negatives],
                atol=1e-5)
            others = similarity[row, labels.numpy() != int(labels[index[row]])]
            # How many valid images are more similar (semi-easy: less).
            ranks.append([(sign * (others - similarity[row, n]) > 1e-7).sum()
                          for n in negatives])
    return np.array(ranks)


@pytest.mark.parametrize('strategy', ['semi-hard', 'semi-easy'])
def test_both_pools_draw_alike(strategy):
    """Without it sampling from candidates could be harder or easier.

    Negatives of the exact pool have ranks uniform in the pool of P = 200. Of
    M = 400 candidates the nearest 40 have them up to a soft edge: the number
    of candidates within a rank is random.
    """
    exact = draws(strategy, 'exact')
    candidates = draws(strategy, 'candidates')
    pool = FRACTION * NUM_IMAGES
    assert exact.max() < pool
    # Means of uniform ranks below 200 and of the candidates' ranks: of 400
    # candidates 95 % are valid, so the 40th of 380 lies near rank 200.
    assert abs(exact.mean() - pool / 2) < 2
    assert abs(candidates.mean() - pool / 2) < 5
    # Quantiles agree in the pool's inside; only the edge is soft.
    for share in (0.1, 0.25, 0.5, 0.75):
        gap = np.quantile(candidates, share) - np.quantile(exact, share)
        assert abs(gap) < 0.05 * pool, share
    beyond = (candidates >= pool).mean()
    assert 0.01 < beyond < 0.1
    assert candidates.max() < 1.8 * pool


def test_candidates_of_all_images_are_the_hardest():
    """Without it K / pool_fraction could go beyond the data set."""
    torch.manual_seed(0)
    features = F.normalize(torch.randn(50, 4), dim=1)
    labels = torch.arange(50) % 5
    index = torch.arange(6)
    arguments = (features[index], index, features, labels,
                 torch.Generator().manual_seed(0))
    chosen = []
    for options in (dict(strategy='hard'),
                    dict(strategy='semi-hard', pool='candidates')):
        sampler = PairSampler(num_negatives=10, pool_fraction=0.2, **options)
        sampler.allocate(50)
        chosen.append(sampler(*arguments).negatives.sort(1).values)
    assert torch.equal(*chosen)

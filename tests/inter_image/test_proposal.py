"""Settings proposed from the number of images."""
import pytest

from interclr_plugin.inter_image import InterImageBranch, propose


def test_the_released_sizes_come_out():
    """Without it a proposal could differ from the recipe on its own data."""
    found = propose(1281167)
    assert found['num_clusters'] == pytest.approx(10000, rel=0.01)
    assert found['labels'] == dict(min_cluster_size=20)
    assert found['sampler'] == dict(num_negatives=16384, pool_fraction=0.1)


@pytest.mark.parametrize('num_images', [4, 5, 100, 1500, 50000])
def test_a_branch_of_these_settings_is_the_default_one(num_images):
    """Without it the written-out lines could be impossible, or other than
    what the branch chooses by itself."""
    settings = propose(num_images, feat_dim=2)
    branches = [
        InterImageBranch(feat_dim=2, **options)
        for options in (settings,
                        dict(num_clusters=settings['num_clusters']))
    ]
    for branch in branches:
        branch.allocate(num_images, seed=0)
    sizes = [(branch.labels.min_cluster_size, branch.sampler.num_negatives,
              branch.sampler.pool_size) for branch in branches]
    assert sizes[0] == sizes[1]
    average = num_images / settings['num_clusters']
    if num_images > 128:
        assert 64 < average < 256

"""What two processes send each other in a step."""
import gloo
import pytest
import torch
from mmengine import dist

from interclr_plugin.inter_image import InterImageBranch

NUM_IMAGES, FEAT_DIM, BATCH, STEPS = 400, 128, 16, 6


def run(rank, folder):
    sent = []

    def counted(collective):

        def call(data, *args, **kwargs):
            sent.append(data.numel() * data.element_size())
            return collective(data, *args, **kwargs)

        return call

    branch = InterImageBranch(
        num_clusters=10,
        feat_dim=FEAT_DIM,
        labels=dict(min_cluster_size=0, centroid_interval=2))
    branch.allocate(NUM_IMAGES, seed=0)
    branch.fill()
    branch.first_clustering()
    for name in ('all_gather', 'all_reduce', 'broadcast'):
        setattr(dist, name, counted(getattr(dist, name)))
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(10 * step + rank)
        index = torch.randperm(NUM_IMAGES, generator=generator)[:BATCH]
        query, key = torch.randn(2, BATCH, FEAT_DIM, generator=generator)
        branch(query.requires_grad_(), key, index)[0].backward()
        branch.after_step()
    torch.save(sent, f'{folder}/{rank}.pth')


@pytest.mark.slow
def test_a_step_sends_the_batch_s_rows_and_nothing_of_the_bank(tmp_path):
    """Without it a change could send the bank at each step, as the released
    code does (docs/method.md 10.13), and nothing but the time would tell."""
    gloo.spawn(run, 2, str(tmp_path))
    rows = BATCH * FEAT_DIM * 4
    for rank in range(2):
        sent = torch.load(tmp_path / f'{rank}.pth', weights_only=True)
        assert rows * STEPS < sum(sent) <= 1.1 * rows * STEPS
        assert max(sent) == rows

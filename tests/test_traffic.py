"""What two processes send each other in a step."""
import gloo
import pytest
import torch
import torch.distributed as torch_dist
from mmengine import dist

from interclr_plugin.inter_image import InterImageBranch

NUM_IMAGES, FEAT_DIM, BATCH, STEPS = 400, 128, 16, 6


def run(rank, folder, kind):
    sent = []

    def counted(collective):

        def call(data, *args, **kwargs):
            sent.append(data.numel() * data.element_size())
            return collective(data, *args, **kwargs)

        return call

    branch = InterImageBranch(
        num_clusters=10,
        feat_dim=FEAT_DIM,
        bank=dict(type=kind),
        labels=dict(min_cluster_size=0, centroid_interval=2))
    branch.allocate(NUM_IMAGES, seed=0)
    branch.fill()
    branch.first_clustering()
    assert branch.bank.sums  # made once, from all rows
    for name in ('all_gather', 'all_reduce', 'broadcast'):
        setattr(dist, name, counted(getattr(dist, name)))
    exchange = torch_dist.all_to_all_single

    def exchanged(output, data, received=None, given=None):
        # What a process gives itself is not sent.
        given = given or [len(data) // 2] * 2
        row = data[0].numel() * data.element_size() if len(data) else 0
        sent.append(row * given[1 - rank])
        return exchange(output, data, received, given)

    torch_dist.all_to_all_single = exchanged
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(10 * step + rank)
        index = torch.randperm(NUM_IMAGES, generator=generator)[:BATCH]
        query, key = torch.randn(2, BATCH, FEAT_DIM, generator=generator)
        branch(query.requires_grad_(), key, index)[0].backward()
        branch.after_step()
    torch.save(sent, f'{folder}/{rank}.pth')


def sent_by(tmp_path, kind):
    gloo.spawn(run, 2, str(tmp_path), kind)
    return [
        torch.load(tmp_path / f'{rank}.pth', weights_only=True)
        for rank in range(2)
    ]


@pytest.mark.slow
def test_a_step_sends_the_batch_s_rows_and_nothing_of_the_bank(tmp_path):
    """Without it a change could send the bank at each step, as the released
    code does (docs/method.md 10.13), and nothing but the time would tell."""
    rows = BATCH * FEAT_DIM * 4
    for sent in sent_by(tmp_path, 'ClusteredBank'):
        assert rows * STEPS < sum(sent) <= 1.1 * rows * STEPS
        assert max(sent) == rows


@pytest.mark.slow
def test_a_sharded_bank_sends_the_rows_that_are_asked_for(tmp_path):
    """Without it whole shards could travel. To the batch's rows come, of one
    process and another: its half of the positives' rows and of the batch's
    old ones, for each of them the batch's, and numbers."""
    row = FEAT_DIM * 4
    every = sent_by(tmp_path, 'ShardedMemoryBank')
    total = sum(map(sum, every)) / 2 / STEPS / BATCH / row
    # 1 for the keys; half of the positives, half of the batch, all of both
    # batches' old rows for the sums: on average.
    assert 2.5 < total < 3.3
    for sent in every:
        assert max(sent) < 2 * BATCH * row

"""What a run with a sharded bank has found, as that of any other run."""
import pytest
import torch
from libraries import FIRST
from run_of_files import NUM_IMAGES, write_run
from shard_checkpoint import shard

from interclr_plugin.checkpoints import publish
from interclr_plugin.report import write_report
from interclr_plugin.results import clusters, neighbours


def test_everything_reads_them(tmp_path):
    """Without it a run with a sharded bank could not be looked at."""
    pandas = pytest.importorskip('pandas')
    write_run(FIRST, tmp_path)
    run = tmp_path / 'run'
    found = []
    for world in (0, 2):
        if world:
            for path in run.glob('epoch_*.pth'):
                shard(path, world)
        found.append((clusters(str(run)), neighbours(str(run), '3', 5)))
        page = write_report(str(run), str(tmp_path / f'{world}.html'))
        assert f'{NUM_IMAGES}' in open(page).read()
        publish(str(run / 'epoch_3.pth'), str(tmp_path / f'{world}.pth'))
    for one, other in zip(*found):
        pandas.testing.assert_frame_equal(one, other)
    states = [
        torch.load(tmp_path / f'{world}.pth', weights_only=True)['state_dict']
        for world in (0, 2)
    ]
    assert list(states[0]) == list(states[1])
    assert not any('inter_image' in name for name in states[1])

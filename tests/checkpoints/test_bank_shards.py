"""Rows of a sharded bank in files beside a checkpoint, read by everything."""
import shutil

import pytest
import torch
from shard_checkpoint import NAME, shard

from interclr_plugin.checkpoints import (
    bank_shards,
    load_checkpoint,
    whole_checkpoint,
)
from interclr_plugin.inter_image import InterImageBranch


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of 3 processes, its rows, and their files' names."""
    branch = InterImageBranch(num_clusters=3, feat_dim=4)
    branch.allocate(17, seed=0)
    branch.fill()
    branch.first_clustering()
    path = tmp_path / 'epoch_1.pth'
    torch.save(
        dict(
            meta={},
            state_dict={
                f'inter_image.{name}': value
                for name, value in branch.state_dict().items()
            }), path)
    return (path, *shard(path, 3))


@pytest.mark.parametrize('block', [1 << 20, 4])
def test_any_slice_is_read(saved, block, monkeypatch):
    """Without it another number of processes could get rows of other images,
    or a part of its own."""
    monkeypatch.setattr(bank_shards, '_BLOCK', block)
    path, rows, _ = saved
    found = load_checkpoint(str(path))['state_dict'][f'{NAME}features']
    assert found.shape == (17, 4)
    for start in (0, 1, 5, 16):
        for step in (1, 2, 3, 4, 20):
            assert torch.equal(found[start::step], rows[start::step])
    assert torch.equal(found[3:9], rows[3:9])
    assert found[17:].shape == (0, 4)


def test_a_process_reads_its_own_file_alone(saved):
    """Without it a run of 100 million images reads all rows on each
    process."""
    path, rows, names = saved
    for rank in (0, 2):
        (path.parent / names[rank]).unlink()
    found = load_checkpoint(str(path))['state_dict'][f'{NAME}features']
    bank_shards._read.cache_clear()
    with pytest.raises(ValueError, match='0-of-3 is missing.*beside its'):
        found[:]
    assert torch.equal(found[1::3], rows[1::3])


@pytest.mark.parametrize('kind', ['ClusteredBank', 'ShardedMemoryBank'])
def test_a_bank_loads_them(saved, kind):
    """Without it a run could not go back to one process."""
    path, rows, _ = saved
    branch = InterImageBranch(
        num_clusters=3, feat_dim=4, bank=dict(type=kind))
    state = load_checkpoint(str(path))['state_dict']
    branch.load_state_dict(
        {name[len('inter_image.'):]: value for name, value in state.items()})
    assert torch.equal(branch.bank.features, rows)
    assert branch.bank.status == 'clustered'


def test_a_model_from_weights_alone_has_no_rows(saved):
    """Without it ``get_model``, which knows no files beside the one that it
    is given, ends with an error, or has a bank of zeros that calls itself
    ready."""
    path, _, _ = saved
    state = torch.load(path, weights_only=False)['state_dict']
    branch = InterImageBranch(num_clusters=3, feat_dim=4)
    branch.load_state_dict(
        {name[len('inter_image.'):]: value for name, value in state.items()})
    assert branch.bank.status == 'empty'


@pytest.mark.parametrize('fault', ['missing', 'cut off', 'damaged'])
def test_it_is_whole_with_all_its_files(saved, fault):
    """Without it a run would resume with rows that a full disk cut off."""
    path, _, names = saved
    assert whole_checkpoint.is_whole(path)
    rows = path.parent / names[1]
    content = bytearray(rows.read_bytes())
    if fault == 'missing':
        rows.unlink()
    elif fault == 'cut off':
        rows.write_bytes(content[:-40])
    else:
        content[content.index(b'data/0') + 80] ^= 1
        rows.write_bytes(content)
    assert not whole_checkpoint.is_whole(path)
    assert whole_checkpoint.is_whole_file(path)


def test_what_nothing_leads_to_is_removed(saved):
    """Without it rows stay when ``max_keep_ckpts`` removes a checkpoint, or
    those of a checkpoint that lies there would go."""
    path, rows, names = saved
    folder = path.parent
    other = folder / 'epoch_2.pth'
    shutil.copy(path, other)
    _, first = shard_again(other, rows, 'b')
    _, second = shard_again(other, rows, 'c')
    gone = bank_shards.name_of('epoch_0.pth', 'd', 0, 3)
    (folder / gone).write_bytes(b'')
    bank_shards.remove_old(str(folder), 'epoch_2.pth', second, None)
    assert {each.name for each in folder.iterdir()} == {
        'epoch_1.pth', 'epoch_2.pth', *names, *second
    }
    assert first != second


def shard_again(path, rows, token):
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['state_dict'][f'{NAME}features'] = rows
    torch.save(checkpoint, path)
    return shard(path, 3, token)

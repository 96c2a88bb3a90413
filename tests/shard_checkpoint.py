"""A checkpoint in the form that several processes save."""
import torch

from interclr_plugin.checkpoints import bank_shards

NAME = 'inter_image.bank.'


def shard(path, world, token='a'):
    """Give a checkpoint the form that W processes save."""
    checkpoint = torch.load(path, weights_only=False)
    state = checkpoint['state_dict']
    rows = state.pop(f'{NAME}features')
    state[f'{NAME}shards'] = torch.tensor(True)
    names = [
        bank_shards.name_of(path.name, token, rank, world)
        for rank in range(world)
    ]
    for rank, name in enumerate(names):
        # A part in memory of its own, as a process has it.
        bank_shards.write(rows[rank::world].clone(), str(path.parent / name),
                          None)
    checkpoint['meta'][bank_shards.KEY] = dict(
        files=names, shape=list(rows.shape))
    torch.save(checkpoint, path)
    return rows, names

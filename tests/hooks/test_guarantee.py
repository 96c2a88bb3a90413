"""Whether a run says at its start that a resume will be exact, and if not,
why; and whether its processes do the same thing."""
import logging

import gloo
import pytest
import torch
from libraries import FIRST
from small_run import runner_of, small_config

from interclr_plugin.hooks import PreemptionHook
from interclr_plugin.hooks.guarantee import guarantee

EXACT = ('Resume: exact. Stopped and resumed from any of its checkpoints, '
         'this run ends with the same bits.')


def said(config, caplog):
    runner = runner_of(config)
    runner.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        runner.train()
    lines = [record.getMessage() for record in caplog.records]
    line, = [line for line in lines if line.startswith('Resume: ')]
    return line


@pytest.mark.parametrize('changes', [
    {},
    {'train_dataloader.num_workers': 1},
    {'train_dataloader.num_workers': 1,
     'train_dataloader.persistent_workers': True},
    {'optim_wrapper.accumulative_counts': 4},
    {'default_hooks.checkpoint.by_epoch': False,
     'default_hooks.checkpoint.interval': 4},
    {'train_cfg': dict(type='IterBasedTrainLoop', max_iters=2),
     'default_hooks.checkpoint.by_epoch': False},
])
def test_the_guarantee_speaks(changes, tmp_path, caplog):
    """Without it a run that can be resumed exactly would not say so."""
    config = small_config(FIRST, tmp_path)
    if 'train_cfg' in changes:
        config.param_scheduler, config.train_cfg = None, changes['train_cfg']
        changes = {name: changes[name] for name in changes
                   if name != 'train_cfg'}
    config.merge_from_dict(changes)
    assert said(config, caplog) == EXACT


class SwAVHook:  # as guarantee() knows it, by its name

    def __init__(self, interval, queue_length=64):
        self.interval, self.queue_length = interval, queue_length


QUEUE = 'Resume: not exact, because of a SwAV queue'


@pytest.mark.parametrize('hooks, every, by_epoch, expected', [
    ([SwAVHook(1)], 3, True, EXACT),
    ([SwAVHook(1, queue_length=0)], 4, False, EXACT),
    ([SwAVHook(2)], 3, True, f'{QUEUE} that is saved every 2 epochs and a '
     'checkpoint every 3'),
    ([SwAVHook(1)], 4, False, f'{QUEUE}, which is saved at the end of an'),
    ([SwAVHook(1), PreemptionHook()], 1, True, f'{QUEUE}, which is saved'),
])
def test_a_queue_beside_the_checkpoint_is_told(hooks, every, by_epoch,
                                               expected, tmp_path):
    """Without it a run of SwAV would count as exact, and go on with a queue
    of another step."""
    config = small_config(FIRST, tmp_path)
    config.default_hooks.checkpoint.update(interval=every, by_epoch=by_epoch)
    runner = runner_of(config)
    runner._hooks += hooks
    assert guarantee(runner).startswith(expected)


def test_another_number_of_threads_is_told(tmp_path, caplog):
    """The last bits of sums differ then, and nobody would know why."""
    config = small_config(FIRST, tmp_path)
    runner_of(config).train()
    file = tmp_path / 'epoch_1.pth'
    checkpoint = torch.load(file, weights_only=False)
    checkpoint['random_states'][0]['threads'] = 77
    torch.save(checkpoint, file)
    config.train_cfg.max_epochs = 2
    config.resume = True
    said(config, caplog)
    assert 'OMP_NUM_THREADS=77' in caplog.text


DIFFERENT = {
    'the list of images': lambda config: config.train_dataloader.dataset.
    update(indices=list(range(96))[::-1]),
    'the number of images': lambda config: config.train_dataloader.dataset.
    update(indices=80),
    'the batch size': lambda config: config.train_dataloader.update(
        batch_size=8),
    'the sampler': lambda config: config.train_dataloader.sampler.update(
        type='InfiniteSampler'),
    'the seed of the run': lambda config: config.randomness.update(seed=7),
    # Of another shape, torch notices by itself.
    'model of the configuration': lambda config: config.model.update(
        inter_weight=0.5),
}


def differ(rank, folder):
    said = []
    for name, change in [(None, None), *DIFFERENT.items()]:
        config = small_config(FIRST, folder / str(name))
        gloo.train_together(config)
        config.default_hooks.checkpoint = None
        # A machine's own folder is no difference.
        config.work_dir += str(rank)
        if rank and change:
            change(config)
        runner = runner_of(config)
        try:
            runner.train()
            said.append(f'trained {runner.iter} steps')
        except ValueError as error:
            said.append(str(error))
            assert runner.iter == 0
    (folder / f'{rank}.txt').write_text('\n'.join(said))


@pytest.mark.slow
def test_processes_that_differ_stop_before_the_first_step(tmp_path):
    """Without it a process with another order of images would train the rows
    of other images, and end with code 0."""
    gloo.spawn(differ, 2, tmp_path)
    first, second = (
        (tmp_path / f'{rank}.txt').read_text().splitlines()
        for rank in range(2))
    assert first == second
    assert first[0] == 'trained 3 steps'
    for name, line in zip(DIFFERENT, first[1:]):
        assert line.startswith(f'The processes differ: {name} is ')
        assert 'on rank 1 and ' in line

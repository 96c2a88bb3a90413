"""A run that is told to end saves first, and ends with a code."""
import pytest
from libraries import FIRST
from resumed_run import differences, run
from test_exact_resume import STEPS, load, make

EPOCHS = 2


def preemptible(folder, workers, world, **options):
    config = make(folder, FIRST, 'moco', 'OnlineKMeans', workers, world)
    config.train_dataloader.persistent_workers = workers > 0
    config.custom_hooks.append(dict(type='PreemptionHook', **options))
    return config


@pytest.mark.slow
@pytest.mark.parametrize('signal, workers, world, step, code', [
    pytest.param('SIGTERM', 2, 1, STEPS + 2, 143, marks=pytest.mark.matrix),
    pytest.param('SIGINT', 0, 1, STEPS - 1, 130, marks=pytest.mark.matrix),
    ('SIGTERM', 2, 2, STEPS + 2, 143),
])
def test_a_run_that_is_told_to_end(tmp_path, signal, workers, world, step,
                                   code):
    """Without it a preempted job loses its epoch, or one process waits for
    ever for another that has ended."""
    options = dict(interval=2)
    whole = preemptible(tmp_path / 'whole', workers, world, **options)
    assert run(whole, world) == [0] * world
    folder = tmp_path / 'told'
    told = preemptible(folder, workers, world, **options)
    assert run(told, world, stop=(step, signal)) == [code] * world
    assert (folder / 'preempted.pth').exists()
    assert not (folder / f'epoch_{EPOCHS}.pth').exists()
    told.resume = True
    assert run(told, world) == [0] * world
    text = '\n'.join(p.read_text() for p in folder.glob('*/*.log'))
    assert f'{signal} after step {step + world}: saved' in text
    assert f'iter: {step + world}' in text
    found = list(differences(load(tmp_path / 'whole'), load(folder)))
    assert not found


def test_what_it_needs_is_said(tmp_path):
    """Without it a preempted run would repeat a part of its epoch."""
    from small_run import runner_of
    config = preemptible(tmp_path, 0, 1)
    config.custom_hooks.pop(1)
    with pytest.raises(ValueError, match='needs ExactResumeHook: add'):
        runner_of(config).train()

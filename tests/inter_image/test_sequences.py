"""Invariants over random sequences of everything that moves the state.

SEQUENCES=10000 in the environment plays as many of them; fewer by default.
"""
import multiprocessing
import os

import pytest
from hypothesis import given, settings
from sequences import play, serve, settings_and_operations

from interclr_plugin.inter_image import label_updaters

ONE = int(os.environ.get('SEQUENCES', 150))
TWO = int(os.environ.get('SEQUENCES', 50))


@pytest.fixture(scope='module', autouse=True)
def bound_is_put_back():
    """Other tests of the process have the bound that `build` changes."""
    before = label_updaters._MOST_CUT
    yield
    label_updaters._MOST_CUT = before


@settings(max_examples=ONE)
@given(settings_and_operations())
def test_one_process(drawn):
    """Without it a sequence of updates, repairs and resumes could leave rows
    that are not of unit length, empty clusters, labels without a cluster,
    negatives with the query's label, or stale centroids."""
    play(*drawn)


@pytest.fixture(scope='module')
def processes(tmp_path_factory):
    """Two processes that play what they are sent."""
    context = multiprocessing.get_context('spawn')
    store = tmp_path_factory.mktemp('processes') / 'store'
    pipes, started = [], []
    for rank in range(2):
        ours, theirs = context.Pipe()
        started.append(
            context.Process(
                target=serve, args=(rank, str(store), theirs), daemon=True))
        pipes.append(ours)
        started[-1].start()
        theirs.close()
    yield pipes
    for pipe, process in zip(pipes, started):
        try:
            pipe.send(None)
        except OSError:
            pass
        process.join(10)
        process.kill()


@pytest.fixture(scope='module')
def answers(processes):

    def play_on_both(drawn):
        for pipe in processes:
            pipe.send(drawn)
        found = []
        for pipe in processes:
            assert pipe.poll(60), 'a process hangs'
            found.append(pipe.recv())
        return found

    return play_on_both


@pytest.mark.slow
def test_two_processes(answers):
    """Without it the copies on two processes could part in some sequence."""

    @settings(max_examples=TWO)
    @given(settings_and_operations())
    def both(drawn):
        first, second = answers(drawn)
        assert first == second

    both()

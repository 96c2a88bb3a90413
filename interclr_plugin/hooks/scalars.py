"""Where hooks put what they measured."""
from typing import Dict

from mmengine.runner import Runner


def log_scalars(runner: Runner, values: Dict[str, float]) -> None:
    """Show measured values in the log and in every visualisation backend.

    mmengine's log shows the last value that it was given, at steps of its
    own, and possibly never the last one of a run; so the backends get each
    value at once too, at the step where it was measured.

    Args:
        runner (Runner): Of the training, at the end of a step.
        values (dict): By name; not with "loss" or "time" in it, of which the
            log would show a mean over steps.
    """
    if not values:
        return
    runner.message_hub.update_scalars(
        {f'train/{name}': value
         for name, value in values.items()})
    runner.visualizer.add_scalars(
        values, step=runner.iter + 1, file_path=f'{runner.timestamp}.json')

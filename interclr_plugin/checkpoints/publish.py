"""Which weights of a checkpoint are handed on, in a small file.

The stock model, without the branch (``inter_image.*``, ``inter_neck.*``), the
optimizer, the schedule, the log and the random states: it resumes nothing, and
loads wherever the stock algorithm's does. Or the backbone alone.
"""
from .branch_names import is_stock
from .reading import load_state_dict
from .weight_file import require_free, save

_BACKBONE = 'backbone.'


def publish(source: str, target: str, *, backbone: bool = False) -> str:
    """Write the weights of a checkpoint that others need.

    Args:
        source (str): File or URL of a checkpoint; nothing in it is run.
        target (str): File to write.
        backbone (bool): Only ``backbone.*``, under names without it.
            Defaults to False: all weights but the branch's.

    Returns:
        str: SHA-256 of the written file.

    Raises:
        FileExistsError: ``target`` is there already.
        FileNotFoundError: There is no ``source``.
        ValueError: ``source`` holds no such weights.
    """
    require_free(target)
    weights = {
        name: value
        for name, value in load_state_dict(source).items()
        if is_stock(name)
    }
    if backbone:
        weights = {
            name[len(_BACKBONE):]: value
            for name, value in weights.items() if name.startswith(_BACKBONE)
        }
        if not weights:
            raise ValueError(f'{source} has no weights named {_BACKBONE}*.')
    return save(weights, target)

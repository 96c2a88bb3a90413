"""Which stock class a configuration names, and whether its settings fit."""
from typing import Any, Dict, Union

from mmengine.registry import MODELS

from ..settings import nearest, require_all, require_settings
from .projections import READERS

# The line of a configuration that sets what the model takes.
MODEL = "model=dict(type='InterCLR', {})"
_PREPROCESSOR = 'model=dict(data_preprocessor=dict({}))'
# What InterCLR takes beside the stock class's own settings.
_OWN = 'algorithm', 'inter_image', 'inter_weight', 'intra_weight'


def stock_class_of(algorithm: Union[str, type]) -> type:
    """Look a stock class up, in the scope of the moment.

    Args:
        algorithm (str | type): Its name, or the class.

    Returns:
        type: The class.

    Raises:
        ValueError: There is none of that name.
    """
    if isinstance(algorithm, type):
        return algorithm
    with MODELS.switch_scope_and_registry(None) as registry:
        found = registry.get(algorithm) if isinstance(algorithm, str) else None
        known = [name for name in sorted(READERS) if registry.get(name)]
    if found is not None:
        return found
    meant = nearest(algorithm, known)
    raise ValueError(
        f'algorithm={algorithm!r} is not registered in scope '
        f'{registry.scope!r}. ' +
        (f'Did you mean {meant!r}? ' if meant else '') + 'Write '
        f'{MODEL.format(f"algorithm={meant!r}" if meant else "algorithm=...")}'
        ', with the class that model.type named before, or change '
        f'default_scope; InterCLR knows here {", ".join(known)}.')


def require_stock_settings(stock_class: type, stock: Dict[str, Any]) -> None:
    """Refuse what the stock class or its preprocessor does not take.

    The preprocessors of the two libraries have the same name and different
    settings.

    Args:
        stock_class (type): Such as MoCo.
        stock (dict): Its settings.

    Raises:
        ValueError: One is unknown, or missing.
    """
    # Their annotations are not ours to judge by.
    require_settings(stock_class, stock, MODEL, more=_OWN, kinds=False)
    require_all(stock_class, stock, MODEL)
    config = stock.get('data_preprocessor')
    if not isinstance(config, dict):
        return
    with MODELS.switch_scope_and_registry(config.get('_scope_')) as registry:
        found = registry.get(config.get('type', 'SelfSupDataPreprocessor'))
    if found is not None:
        given = {name: config[name] for name in config if name != 'type'}
        require_settings(found, given, _PREPROCESSOR, kinds=False)

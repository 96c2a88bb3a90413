"""Which of the two libraries this environment has."""
from importlib.util import find_spec

import pytest

INSTALLED = tuple(
    library for library in ('mmselfsup', 'mmpretrain') if find_spec(library))
# For what knows neither library.
FIRST = INSTALLED[0]


def one_of_them() -> list:
    """Give parameters: one library, the other where everything is run."""
    return [FIRST] + [
        pytest.param(library, marks=pytest.mark.matrix)
        for library in INSTALLED[1:]
    ]


needs_mmselfsup = pytest.mark.skipif(
    'mmselfsup' not in INSTALLED, reason='needs mmselfsup')

"""What tests share: small runs of the real configurations."""
import contextlib
import os

# Two processes of a test would otherwise fight for the cores.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402
from libraries import INSTALLED, one_of_them  # noqa: E402

settings.register_profile('suite', deadline=None, derandomize=True)
settings.load_profile('suite')
torch.set_num_threads(1)

# mim makes this folder when it is imported, with a check first: of two tests
# that start it together on a new machine one would fail.
with contextlib.suppress(OSError):
    os.makedirs(os.path.expanduser('~/.cache/mim'), exist_ok=True)


def pytest_collection_modifyitems(items):
    """Skip what is of a library that is not there."""
    for item in items:
        if 'mmselfsup' in item.name and 'mmselfsup' not in INSTALLED:
            item.add_marker(pytest.mark.skip(reason='needs mmselfsup'))


@pytest.fixture(params=['mmselfsup', 'mmpretrain'])
def scope(request):
    """Each of the two libraries."""
    return request.param


@pytest.fixture(params=one_of_them())
def one_scope(request):
    """One library; the other too where everything is run.

    For runs of seconds through code that knows neither library.
    """
    return request.param

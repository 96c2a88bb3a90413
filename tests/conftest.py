"""What tests share: small runs of the real configurations."""
import os

# Two processes of a test would otherwise fight for the cores.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile('suite', deadline=None, derandomize=True)
settings.load_profile('suite')
torch.set_num_threads(1)

SCOPES = ('mmselfsup', 'mmpretrain')


@pytest.fixture(params=SCOPES)
def scope(request):
    """Each of the two libraries."""
    return request.param


@pytest.fixture(params=[
    'mmselfsup',
    pytest.param('mmpretrain', marks=pytest.mark.matrix),
])
def one_scope(request):
    """One library; the other too where everything is run.

    For runs of seconds through code that knows neither library.
    """
    return request.param

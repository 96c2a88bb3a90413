"""A work directory as one HTML page: is it learning, and what does it see?

``python -m interclr_plugin report WORK_DIR`` writes what :func:`write_report`
does. The way through: the room of :mod:`~interclr_plugin.results` finds
configuration, checkpoints and bank, :mod:`.scalars` the log; :mod:`.verdict`
judges; :mod:`.clusters` and :mod:`.pairs` choose images, which
:mod:`.pictures` encodes; :mod:`.charts` draws; :mod:`.content` gathers it
all; :mod:`.page` fills page.html.
"""
from ..results.members import cluster_sizes
from .page import write_report
from .scalars import read_scalars

__all__ = ['cluster_sizes', 'read_scalars', 'write_report']

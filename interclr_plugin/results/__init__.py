"""What a training has found: clusters, features and neighbours of images.

``python -m interclr_plugin clusters RUN`` writes what :func:`clusters`
returns, ``embed`` what :func:`embed` does, and ``neighbours`` prints what
:func:`neighbours` finds. The way through: :mod:`.source` finds checkpoint and
configuration by way of :mod:`.run`, a work directory; :mod:`.bank` is what
the checkpoint knows of clusters, :mod:`.training_set` whose they are;
:mod:`.embedder` computes features of :mod:`.images`.
"""
from .cluster_folders import make_folders
from .cluster_table import clusters
from .embedding import Embedding, embed
from .embedding_files import write_embedding
from .nearest import neighbours

__all__ = [
    'Embedding', 'clusters', 'embed', 'make_folders', 'neighbours',
    'write_embedding'
]

"""An embedding as files: arrays with a list, or one table."""
from pathlib import Path

import numpy as np

from .embedding import Embedding
from .table_file import check_table_name, import_pandas, write_table


def check_embedding_target(out: str) -> None:
    """Refuse, ahead of any work, what could not be written.

    Args:
        out (str): A file that ends in .parquet, or a folder to be made.

    Raises:
        FileExistsError: The folder is there already.
        ImportError: pandas or pyarrow is missing.
    """
    if out.endswith('.parquet'):
        check_table_name(out)
        return
    import_pandas()
    if Path(out).exists():
        raise FileExistsError(f'{out} is there already and is not written '
                              'over. Name another folder with --out, or '
                              'remove it first.')


def write_embedding(embedding: Embedding, out: str) -> None:
    """Write features and projections.

    A folder gets ``features.npy``, (n, D) float32; where there are,
    ``projections.npy``, (n, P) float32; and ``images.csv``, whose n lines
    name their rows: ``file`` and, where there are clusters, ``cluster`` and
    ``similarity``. A Parquet file holds all of these as columns.

    Args:
        embedding (Embedding): From :func:`embed`.
        out (str): As :func:`check_embedding_target` allows it.
    """
    table = import_pandas().DataFrame(dict(file=embedding.files))
    if embedding.clusters is not None:
        table['cluster'] = embedding.clusters
        table['similarity'] = embedding.similarity
    arrays = dict(features=embedding.features)
    if embedding.projections is not None:
        arrays['projections'] = embedding.projections
    if out.endswith('.parquet'):
        for name, array in arrays.items():
            table[name] = list(array)
        write_table(table, out)
        return
    folder = Path(out)
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f'{name}.npy', array)
    write_table(table, str(folder / 'images.csv'))

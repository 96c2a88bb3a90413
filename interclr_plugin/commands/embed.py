"""What ``embed`` takes and prints: a run, images, arrays."""
import sys
from typing import List

from ..results.embedding import embed
from ..results.embedding_files import check_embedding_target, write_embedding
from .results_of_run import options_of, parser_of


def main(words: List[str]) -> None:
    """Write features and projections.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = parser_of('embed', computes=True)
    parser.add_argument(
        'images',
        nargs='*',
        help='files, folders, .txt lists of files; none: the training set')
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder to make, or a .parquet file; none: embedding/ beside '
        'the checkpoint')
    options = options_of(parser, words, 'embedding')
    out = options.pop('out')
    check_embedding_target(out)
    options['images'] = options['images'] or None
    embedding = embed(**options)
    write_embedding(embedding, out)
    if embedding.lacks:
        print(embedding.lacks, file=sys.stderr)
    shapes = [f'features {embedding.features.shape}']
    if embedding.projections is not None:
        shapes.append(f'projections {embedding.projections.shape}')
    print(f'{out}: {", ".join(shapes)}')

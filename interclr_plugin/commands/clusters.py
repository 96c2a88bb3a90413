"""What ``clusters`` takes and prints: a run, a table, folders of images."""
from typing import List

from ..results.cluster_folders import WAYS, check_folder, make_folders
from ..results.cluster_table import clusters
from ..results.table_file import check_table_name, write_table
from .results_of_run import options_of, parser_of


def main(words: List[str]) -> None:
    """Write the table, and sort the images where that is asked for.

    Args:
        words (list[str]): What stands after the command's name.
    """
    parser = parser_of('clusters', computes=False)
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='table to write, .csv or .parquet; none: clusters.csv beside '
        'the checkpoint')
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        '--copy',
        metavar='DIR',
        help='also copy the images, into a folder for each cluster')
    ways.add_argument(
        '--link', metavar='DIR', help='the same with symbolic links')
    options = options_of(parser, words, 'clusters.csv')
    out = options.pop('out')
    folders = {way: options.pop(way) for way in WAYS}
    check_table_name(out)
    for folder in filter(None, folders.values()):
        check_folder(folder)
    table = clusters(**options)
    write_table(table, out)
    print(f'{out}: {len(table)} images in {table["cluster"].nunique()} '
          'clusters')
    for way, folder in folders.items():
        if folder:
            count = make_folders(table, folder, way)
            print(f'{folder}: {count} folders')

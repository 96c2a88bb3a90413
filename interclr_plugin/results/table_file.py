"""Tables as files: CSV, or Parquet by the file's ending."""
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

INSTALL = "pip install 'interclr-plugin[results]'"
ENDINGS = ('.csv', '.parquet')


def import_pandas() -> ModuleType:
    """Import pandas, which the plugin does without otherwise.

    Returns:
        ModuleType: pandas.

    Raises:
        ImportError: It is missing; the message says what to install.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f'tables need pandas: {INSTALL}') from error
    return pandas


def check_table_name(path: str) -> None:
    """Refuse, ahead of any work, a table that could not be written.

    Args:
        path (str): File.

    Raises:
        ImportError: What its kind needs is missing.
        ValueError: It is of another kind.
    """
    import_pandas()
    ending = Path(path).suffix
    if ending not in ENDINGS:
        raise ValueError(f'{path} ends in {ending!r}; allowed: '
                         f'{", ".join(ENDINGS)}. Change --out.')
    if ending == '.parquet':
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f'Parquet needs pyarrow: {INSTALL}. CSV does without: name '
                'a file that ends in .csv.') from error


def write_table(table: 'DataFrame', path: str) -> None:
    """Write a table, in the place of an earlier one.

    Args:
        table (DataFrame): Its index is left out.
        path (str): As :func:`check_table_name` allows it; the folder is made.

    Raises:
        ValueError: Parquet cannot hold a file's name.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if Path(path).suffix == '.csv':
        # Names of files are bytes, which need not be text.
        table.to_csv(path, index=False, errors='surrogateescape')
        return
    try:
        table.to_parquet(path, index=False)
    except UnicodeEncodeError as error:
        raise ValueError(
            f'the name of the file {error.object!r} is no UTF-8, which is all '
            'that Parquet holds. Name a file that ends in .csv.') from error

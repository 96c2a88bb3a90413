"""Which errors are a user's to mend, and so need no traceback."""
import traceback
from pathlib import Path
from typing import Iterator, Optional

# Whose raise and assert statements speak to the one who configures a run.
_SPEAKERS = ('interclr_plugin', 'mmengine', 'mmcv', 'mmcls', 'mmpretrain',
             'mmselfsup')


def said_to_the_user(error: BaseException) -> Optional[str]:
    """Find the sentence in an error, or in one that it came of.

    Args:
        error (BaseException): As it was caught.

    Returns:
        str, optional: What was said in a statement of this package or one of
        OpenMMLab, or of a file that is not there. None: some code failed, and
        its traceback is needed.
    """
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.filename is not None:
            return str(cause)
        if str(cause) and _is_said(cause):
            return sentence(cause)
    return None


def sentence(error: BaseException) -> str:
    """Give an error's own words.

    Args:
        error (BaseException): Any.

    Returns:
        str: A KeyError's are those of its key, with quotes around them.
    """
    alone = isinstance(error, KeyError) and len(error.args) == 1
    return str(error.args[0] if alone else error)


def _chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_said(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not {*Path(frames[-1].filename).parts} & {*_SPEAKERS}:
        return False
    statement = (frames[-1].line or '').split('(')[0].split()[:1]
    # A class that is built with a setting it does not have.
    built = Path(frames[-1].filename).name == 'build_functions.py'
    return statement in (['raise'], ['assert']) or (
        built and isinstance(error, TypeError))

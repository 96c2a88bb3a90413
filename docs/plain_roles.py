"""Sphinx roles in docstrings as plain code: :class:`X` becomes `X`."""
import re

_ROLE = re.compile(r':(?:class|func|meth|mod):(<code>)(?:~[\w.]*\.)?')


def on_page_content(html, **kwargs):
    """Called by mkdocs for each page.

    Args:
        html (str): The page.

    Returns:
        str: Without the roles' names.
    """
    return _ROLE.sub(r'\1', html)

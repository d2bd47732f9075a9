"""Options of benchmarks that take few or none: an unknown one is an error, not a long run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE_ONLY = "write the page alone, of the committed results"


def chosen(text: str | None, parts: Mapping[str, str], arguments: Sequence[str] | None = None) -> str | None:
    """The part that is asked for instead of everything.

    Parameters
    ----------
    text : str or None
        The module's.
    parts : mapping
        From the option's name to what it does; one at most may be given.
    arguments : sequence of str, optional
        Default: the process's.

    Returns
    -------
    str or None
        The option's name; None: everything.

    Examples
    --------
    >>> chosen("Of a benchmark.", {"page": "write the page alone"}, ["--page"])
    'page'
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group() if parts else parser
    for name, what in parts.items():
        group.add_argument(f"--{name}", dest="part", action="store_const", const=name, help=what)
    options = parser.parse_args(arguments)
    return getattr(options, "part", None)


def folders(text: str | None, *names: str, or_none: bool = False, arguments: Sequence[str] | None = None) -> list[Path]:
    """The folders that a module is told.

    Parameters
    ----------
    text : str or None
        The module's.
    *names : str
        What each is.
    or_none : bool
        They may be left out, all of them: the list is empty then.
    arguments : sequence of str, optional
        Default: the process's.

    Examples
    --------
    >>> [folder.name for folder in folders("Of a module.", "FOLDER", arguments=["made"])]
    ['made']
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", metavar=" ".join(names))
    found: list[Path] = parser.parse_args(arguments).folders
    if len(found) != len(names) and (found or not or_none):
        parser.error(f"give {' and '.join(names)}")
    return found


def page_or_layers(text: str | None) -> argparse.Namespace:
    """``--page``, or ``--layers N`` to try a benchmark on so many layers.

    Parameters
    ----------
    text : str or None
        The module's.

    Returns
    -------
    argparse.Namespace
        With ``page``, and ``layers``, which is None unless given.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help=PAGE_ONLY)
    parser.add_argument("--layers", type=int, metavar="N", help="try it on so many layers; nothing is written")
    return parser.parse_args()

"""Options of benchmarks that take few or none: an unknown one is an error, not a long run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

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

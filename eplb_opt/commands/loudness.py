"""How much a command says: results and notes, errors and warnings only, or what it does, too."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from enum import IntEnum


class Loudness(IntEnum):
    """How much is said; warnings and errors always are."""

    QUIET = 0  # nothing else
    USUAL = 1  # results and notes, and on a terminal progress
    VERBOSE = 2  # what the command does, too, with progress anywhere


_chosen: ContextVar[Loudness] = ContextVar("loudness", default=Loudness.USUAL)


def add_loudness(parser: argparse._ActionsContainer) -> None:
    """The two options; the later one counts."""
    parser.add_argument(
        "-q",
        "--quiet",
        dest="loudness",
        action="store_const",
        const=Loudness.QUIET,
        default=Loudness.USUAL,
        help="print warnings and errors only; files and --json - are written as ever",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        dest="loudness",
        action="store_const",
        const=Loudness.VERBOSE,
        help="say what is done, with progress where there is no terminal, too",
    )


@contextlib.contextmanager
def as_loud_as(loudness: Loudness) -> Iterator[None]:
    """Within it commands say so much."""
    token = _chosen.set(loudness)
    try:
        yield
    finally:
        _chosen.reset(token)


def is_quiet() -> bool:
    """Nothing but warnings and errors is said."""
    return _chosen.get() is Loudness.QUIET


def is_verbose() -> bool:
    """What is done is said, too."""
    return _chosen.get() is Loudness.VERBOSE

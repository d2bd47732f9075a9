"""What commands say beside their results: warnings, notes and errors, one line each, on standard error."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from .colour import OF_KIND, is_coloured, is_terminal, painted
from .files import written
from .loudness import is_quiet, is_verbose

PACKAGE = __name__.partition(".")[0]
NOTE = "note"
BEST_MAPS = "the best maps so far"  # what an interrupted command keeps in its files
RESULTS = "the results so far"
FILES = "the files"  # of a command that had ended but for printing


@contextlib.contextmanager
def one_line_messages() -> Iterator[None]:
    """Warnings, and what the package logs, as one line each, as errors are."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        say("warning", message)

    logger = logging.getLogger(PACKAGE)
    handler = _Handler(logging.INFO)
    level = logger.level
    with warnings.catch_warnings():
        warnings.showwarning = show
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)


class _Handler(logging.Handler):
    """The log on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record."""
        what = NOTE if record.levelno < logging.WARNING else "warning"
        say(what, record.getMessage())


def say(what: str, message: object) -> None:
    """A line on standard error, see `broken`; notes are left out where the command is to be quiet."""
    if what == NOTE and is_quiet():
        return
    text = " ".join(str(message).splitlines())
    line = "\n".join(broken(f"eplb-opt: {what}: {text}"))
    if is_coloured(sys.stderr):
        line = line.replace(what, painted(what, OF_KIND[what]), 1)
    print(line, file=sys.stderr, flush=True)


def broken(line: str) -> list[str]:
    """A line as standard error shows it: on a terminal broken between words, never within a number."""
    from ..report.layout import text_lines

    if not is_terminal(sys.stderr):
        return [line]
    return text_lines(line, shutil.get_terminal_size().columns or None)


def say_done(message: str) -> None:
    """A note of what was done, for those who asked for it (``--verbose``)."""
    if is_verbose():
        say(NOTE, message)


def say_interrupted(what: str) -> None:
    """What an interrupt has left, of some kind."""
    files = ", ".join(str(path) for path in written)
    nothing = "no file was asked for, none is written"
    say("interrupted", f"{what} are kept: {files}" if files else nothing)

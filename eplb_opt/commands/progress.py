"""How far a command is: a live line on a terminal; elsewhere nothing, or with ``--verbose`` a line at times."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator

from .colour import is_terminal
from .loudness import is_quiet, is_verbose

LIVE_SECONDS = 0.2  # between updates of the line on a terminal
LINE_SECONDS = 5.0  # between lines elsewhere
TO_END = "\033[K"  # clears the rest of the line
USUAL_WIDTH = 80  # of a terminal that does not say


class Progress:
    """What is shown of a work's progress, not more often than somebody reads it.

    Parameters
    ----------
    name : str
        Of the work.
    done : str
        What is counted.
    """

    def __init__(self, name: str, done: str) -> None:
        self.name = name
        self.done = done
        self.is_live = is_terminal(sys.stderr) and not is_quiet()
        self.is_on = self.is_live or is_verbose()
        self.least = LIVE_SECONDS if self.is_live else LINE_SECONDS
        self.start = time.monotonic()
        self.last = self.start
        self.is_shown = False

    def __call__(self, done: int, total: int) -> None:
        """Say how many parts are done, unless that was said a moment ago."""
        self.show(f"{done} of {total} {self.done}")

    def show(self, text: str) -> None:
        """Say how far the work is, and for how long it has gone on, unless that was said a moment ago."""
        now = time.monotonic()
        if not self.is_on or now - self.last < self.least:
            return
        self.last = now
        self.is_shown = True
        line = f"{self.name}: {now - self.start:.0f} s, {text}"
        if self.is_live:
            _print(f"\r{_within_terminal(line)}{TO_END}")
        else:
            _print(f"{line}\n")

    def clear(self) -> None:
        """Leave no live line behind."""
        if self.is_live and self.is_shown:
            _print(f"\r{TO_END}")


@contextlib.contextmanager
def shown_progress(name: str, done: str) -> Iterator[Progress]:
    """How far a work is, while it goes on, on standard error."""
    line = Progress(name, done)
    try:
        yield line
    finally:
        line.clear()


def _within_terminal(line: str) -> str:
    """A line without its last parts, between commas, where the terminal is too narrow for them: it must not wrap."""
    width = (shutil.get_terminal_size().columns or USUAL_WIDTH) - 1
    parts = line.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) > width:
        parts.pop()
    return ", ".join(parts)


def _print(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)

"""How far a command is: a live line on a terminal; elsewhere nothing, or with ``--verbose`` a line at times."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .colour import is_terminal
from .loudness import is_quiet, is_verbose

if TYPE_CHECKING:
    from ..standing import Standing

LIVE_SECONDS = 0.2  # between updates of the line on a terminal
TICK_SECONDS = 1.0  # after which it says the time again, whatever is done
LINE_SECONDS = 5.0  # between lines elsewhere
TO_END = "\033[K"  # clears the rest of the line
USUAL_WIDTH = 80  # of a terminal that does not say
MOST_NAMED = 3  # layers at work


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
        self.text = "at work"
        self.is_watched = False
        self.counted = ""
        self.at_work = ""
        self.is_shown = False
        self.lock = threading.Lock()

    def __call__(self, done: int, total: int) -> None:
        """Say how many parts are done, unless more is known or that was said a moment ago."""
        if not self.is_watched:
            self.at_work = ""
            self.counted = f"{done} of {total} {self.done}"
            self._show_both()

    def plays(self, name: str) -> None:
        """Say which policy plays."""
        self.at_work = f"{name} plays"
        self._show_both()

    def _show_both(self) -> None:
        """Say what is at work, then what is done."""
        self.show(", ".join(filter(None, (self.at_work, self.counted))))

    def watch(self, standing: Standing) -> None:
        """Say where a method's layers stand, and what is being proven."""
        self.is_watched = True
        self.show(", ".join(_parts(standing, self.done)))

    def show(self, text: str) -> None:
        """Say how far the work is, and for how long it has gone on, unless that was said a moment ago."""
        self.text = text
        if time.monotonic() - self.last >= self.least:
            self._say()

    def tick(self) -> None:
        """Say the time again where nothing was said for a while."""
        if time.monotonic() - self.last >= TICK_SECONDS:
            self._say()

    def _say(self) -> None:
        if not self.is_on:
            return
        with self.lock:
            self.last = time.monotonic()
            self.is_shown = True
            line = f"{self.name}: {self.last - self.start:.0f} s, {self.text}"
            live = f"\r{within_terminal(line)}{TO_END}"
            _print(live if self.is_live else f"{line}\n")

    def clear(self) -> None:
        """Leave no live line behind."""
        with self.lock:
            if self.is_live and self.is_shown:
                _print(f"\r{TO_END}")


@contextlib.contextmanager
def shown_progress(name: str, done: str) -> Iterator[Progress]:
    """How far a work is, while it goes on, on standard error."""
    line = Progress(name, done)
    ended = threading.Event()
    ticker = threading.Thread(target=_tick, args=(line, ended), daemon=True)
    if line.is_live:
        ticker.start()
    try:
        yield line
    finally:
        ended.set()
        if line.is_live:
            ticker.join()
        line.clear()


def _tick(line: Progress, ended: threading.Event) -> None:
    """Keep the time of a live line going, as a task may take long."""
    while not ended.wait(TICK_SECONDS):
        line.tick()


def _parts(standing: Standing, done: str) -> Iterator[str]:
    """What is said of layers, what matters most first."""
    yield f"{standing.finished} of {standing.layers} {done}"
    if math.isfinite(standing.gap_max):
        yield f"gap at most {standing.gap_max:.4%}"
        yield f"mean {standing.gap_mean:.4%}"
    ids = standing.at_work
    if ids:
        named = ", ".join(str(number) for number in ids[:MOST_NAMED])
        more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
        yield f"proving {'layer' if len(ids) == 1 else 'layers'} {named}{more}"


def within_terminal(line: str) -> str:
    """A line without its last parts, between commas, where the terminal is too narrow for them: it must not wrap."""
    width = (shutil.get_terminal_size().columns or USUAL_WIDTH) - 1
    parts = line.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) > width:
        parts.pop()
    return ", ".join(parts)


def _print(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)

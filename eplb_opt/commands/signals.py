"""Signals that end a command: the first one lets it write what it has, a second one ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
ENDING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
)


class Signals:
    """The signal that has come, if any."""

    def __init__(self) -> None:
        self.number = 0
        self.is_put_off = False

    def handle(self, number: int, _: FrameType | None) -> None:
        """Raise `KeyboardInterrupt` at first, unless it is put off; end the process the second time."""
        if self.number:
            os._exit(128 + number)
        self.number = number
        if not self.is_put_off:
            raise KeyboardInterrupt

    def exit_code(self) -> int:
        """As shells have it: 128 and the signal's number; that of Ctrl-C if something else raised the interrupt."""
        return 128 + (self.number or signal.SIGINT)


_current = Signals()


@dataclass
class PutOff:
    """Whether a signal came while nothing could be cut off; known at the end."""

    came: bool = False


@contextlib.contextmanager
def put_off() -> Iterator[PutOff]:
    """Let what is within end, such as the import of a package: a first signal is noted and not raised.

    What is half imported cannot be imported again, so that nothing could be written any more.
    """
    signals = _current
    before = signals.number
    found = PutOff()
    signals.is_put_off = True
    try:
        yield found
    finally:
        signals.is_put_off = False
        found.came = signals.number != before


def forget_interrupt() -> None:
    """Let the exit code be ours: Python ends by the signal itself after one that came while a text was executed.

    It remembers such an interrupt (dataclasses and numba execute texts) though it was handled, until the next text.
    """
    exec("")


@contextlib.contextmanager
def ending_signals() -> Iterator[Signals]:
    """Handle Ctrl-C, SIGTERM and SIGHUP; those that the caller ignores (``nohup``) stay ignored.

    After a signal the handlers stay: what Python still does at its end can be cut off, too.
    """
    global _current
    signals = Signals()
    _current = signals
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        if signals.number:
            forget_interrupt()
        else:
            for number, handler in before.items():
                signal.signal(number, handler)

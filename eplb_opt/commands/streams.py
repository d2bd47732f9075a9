"""Standard output and error of a command: whatever becomes of them, the files and the exit code are what they are.

Within `standard_streams`, printing never raises. A reader that has gone (``| head``) has seen enough; an output that is
full or closed is an error of its own, said on standard error. Characters that a terminal does not have are escaped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class Stream:
    """A text stream whose writing never raises.

    Parameters
    ----------
    stream : text stream or None
        Python's own; None where the process was started with it closed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.error: Exception | None = None

    def write(self, text: str) -> int:
        """Write text, or remember why it could not be written."""
        if text and self.error is None:
            if self.stream is None:
                self.error = OSError(errno.EBADF, "it is closed")
            else:
                with self._remembered():
                    self.stream.write(self._sayable(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or remember why it could not be done."""
        if self.stream is not None and self.error is None:
            with self._remembered():
                self.stream.flush()

    def isatty(self) -> bool:
        """A person reads along."""
        return (
            self.stream is not None and not self.stream.closed and self.stream.isatty()
        )

    def is_lost(self) -> bool:
        """Something was written that nobody can read, though nobody closed a pipe."""
        return self.error is not None and not isinstance(self.error, BrokenPipeError)

    def close_quietly(self) -> None:
        """Flush; after a failure, discard what is left, which Python would else try to write again at its end."""
        self.flush()
        if self.error is not None and self.stream is not None:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def _sayable(self, text: str) -> str:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        try:
            yield
        # ValueError: of a stream that Python has closed.
        except (OSError, ValueError) as error:
            self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def standard_streams() -> Iterator[tuple[Stream, Stream]]:
    """Put `Stream` objects in the place of standard output and error."""
    _occupy()
    before = (sys.stdout, sys.stderr)
    out = Stream(sys.stdout)
    err = Stream(sys.stderr)
    sys.stdout = out
    sys.stderr = err
    try:
        yield out, err
    finally:
        out.close_quietly()
        if out.is_lost():
            reason = getattr(out.error, "strerror", None) or out.error
            err.write(f"eplb-opt: error: standard output is lost: {reason}\n")
        err.close_quietly()
        sys.stdout, sys.stderr = before


def _occupy() -> None:
    """Open closed descriptors on the null device: else the next file gets the number, and what others print there."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)

"""``python -m eplb_opt``, and what is installed as ``eplb-opt``: nothing is loaded before an interrupt can be said."""

from __future__ import annotations

import sys

INTERRUPTED = 130
NOTHING_WRITTEN = "eplb-opt: interrupted: nothing written\n"


def start() -> int:
    """Run the command; an interrupt while it is loaded is one line, too.

    Only before this function, while Python itself starts, an interrupt is Python's: it ends the process by the signal.

    Returns
    -------
    int
        Its exit code.
    """
    try:
        return _run()
    except KeyboardInterrupt:
        exec("")  # see `commands.signals.forget_interrupt`
        sys.stderr.write(NOTHING_WRITTEN)
        return INTERRUPTED


def _run() -> int:
    """Load the command and run it."""
    ending = _register_ending()
    # All that `_leave` takes, so that it finds nothing half loaded.
    import contextlib  # noqa: F401
    import os  # noqa: F401
    import signal

    # A package that is cut off while it is loaded may raise anything, or nothing: end at once, nothing has begun.
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, _leave)
    from .cli import main

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = main()
    # All is written and said: while Python ends nothing may change what the exit code says.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code >= INTERRUPTED - signal.SIGINT:
        ending.append(code)
    return code


def _register_ending() -> list[int]:
    """A list for the exit code of a command that was interrupted: the process ends with that, last of all at its end.

    Solvers' threads that are still at work then would end it by a signal of their own.
    """
    import atexit
    import contextlib
    import os

    codes: list[int] = []

    def end() -> None:
        if codes:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):  # closed, or full
                    stream.flush()
            os._exit(codes[0])

    # What is registered first is called last.
    atexit.register(end)
    return codes


def _leave(*_: object) -> None:
    """End the process at once."""
    import contextlib
    import os

    with contextlib.suppress(OSError):  # it is closed, or nobody reads it
        os.write(2, NOTHING_WRITTEN.encode())
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(start())

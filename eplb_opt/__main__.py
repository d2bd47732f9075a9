"""``python -m eplb_opt``, and what is installed as ``eplb-opt``: little is loaded before an interrupt can be said."""

from __future__ import annotations

import signal
import sys


def start() -> int:
    """Run the command; an interrupt while it is loaded is one line, too.

    Returns
    -------
    int
        Its exit code.
    """
    try:
        from .cli import main

        code = main()
        # All is written and said: while Python ends nothing may change what the exit code says.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return code
    except KeyboardInterrupt:
        exec("")  # see `commands.signals.forget_interrupt`
        print("eplb-opt: interrupted: nothing written", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(start())

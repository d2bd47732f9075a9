"""The command ``eplb-opt``: its parser, exit codes and one-line errors; each command is in `commands`."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from .commands import convert, demo, diff, gap, replay, report, solve, verify, warmup
from .commands.files import written
from .commands.output import one_line_messages, say, say_interrupted
from .commands.signals import INTERRUPTED, ending_signals
from .commands.streams import standard_streams
from .errors import EplbError
from .packages import missing
from .version import __version__

COMMANDS = (solve, gap, replay, report, diff, verify, convert, demo, warmup)
BAD = 2  # bad input, or what was to be shown is lost


class _Parser(argparse.ArgumentParser):
    """argparse that says one line, as every other error here."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            BAD,
            f"{self.prog}: error: {' '.join(message.splitlines())} (see {self.prog} --help)\n",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        0: done. What ``verify`` says of a report (1: it is contradicted, 3: sound, not all of it proven), whatever
        becomes of what it prints. 2: bad input, a package that is missing, or nothing else is wrong but standard
        output, which is full or closed. 128 + n: signal n (Ctrl-C: 130), after the best map so far was written. A
        reader that goes away (``| head``) changes nothing.
    """
    with standard_streams() as (out, _), ending_signals() as signals:
        written.clear()
        end = _end_of(arguments)
        out.flush()
    code = end.code
    if code == INTERRUPTED:
        code = signals.exit_code()
    if code == 0 and out.is_lost() and not end.is_verdict:
        code = BAD
    if end.has_left:
        raise SystemExit(code)
    return code


class _End(NamedTuple):
    """How a command ended: its exit code, whether that is a verdict, and whether argparse has ended it."""

    code: int
    is_verdict: bool = False
    has_left: bool = False


def _end_of(arguments: Sequence[str] | None) -> _End:
    """Run the command to its end, whatever ends it."""
    try:
        return _End(*_run(arguments))
    except SystemExit as stopped:  # argparse: --help, --version, bad usage
        return _End(int(stopped.code or 0), has_left=True)
    except KeyboardInterrupt:
        _say_what_is_left()
        return _End(INTERRUPTED)


def _say_what_is_left() -> None:
    if written:
        say_interrupted()
    else:
        say("interrupted", "nothing written")


def _run(arguments: Sequence[str] | None) -> tuple[int, bool]:
    """The command's exit code, and whether it is a verdict; all errors but an interrupt are one line."""
    options = _parser().parse_args(arguments)
    try:
        with one_line_messages():
            return int(options.run(options) or 0), options.run is verify.run
    except EplbError as error:
        say("error", error)
    except ImportError as error:
        say("error", missing(error, "this command"))
    except MemoryError:
        say("error", "there is not enough memory for this input")
    except Exception as error:  # a fault of ours: not the exit code of a contradiction, and still said in one line
        say(
            "error",
            f"internal error, please report it: {type(error).__name__}: {error} ({_place(error)})",
        )
    return BAD, False


def _place(error: Exception) -> str:
    """Where an error was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}, eplb-opt {__version__}, Python {sys.version.split()[0]}"


def _parser() -> argparse.ArgumentParser:
    usage = "eplb-opt [--version] COMMAND [options], or eplb-opt COMMAND --help"
    parser = _Parser(
        "eplb-opt",
        description="Optimal placement of replicated experts, with a certificate.",
        usage=usage,
    )
    parser.add_argument(
        "--version", action="version", version=f"eplb-opt {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog="eplb-opt")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The command ``eplb-opt``: its parser, exit codes and one-line errors; each command is in `commands`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .commands import (
    calibrate,
    completion,
    convert,
    demo,
    diff,
    gap,
    inspect,
    merge,
    replay,
    report,
    solve,
    sweep,
    verify,
    warmup,
)
from .commands.config import with_config
from .commands.files import written
from .commands.loudness import as_loud_as
from .commands.messages import FILES, one_line_messages, say, say_interrupted
from .commands.parser import BAD, Parser
from .commands.signals import INTERRUPTED, Signals, ending_signals
from .commands.streams import standard_streams
from .errors import EplbError
from .packages import missing
from .version import __version__

COMMANDS = (
    inspect,
    solve,
    merge,
    gap,
    replay,
    report,
    sweep,
    diff,
    verify,
    convert,
    demo,
    calibrate,
    warmup,
    completion,
)

EXAMPLES = """examples:
  eplb-opt demo
  eplb-opt inspect loads.npz
  eplb-opt solve loads.npz --replicas 288 --ranks 32 \\
      -o map.npz
  eplb-opt gap loads.npz --replicas 288 --ranks 32 \\
      --map served.npz
  eplb-opt report loads.npz --replicas 288 --ranks 32 \\
      --map served.npz -o page.html"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        0: done. What ``verify`` says of a report (1: it is contradicted, 3: sound, not all of it proven), whatever
        becomes of what it prints; 4: ``gap --fail-above``. 2: bad input, a package that is missing, or nothing else is
        wrong but standard output, which is full or closed. 128 + n: signal n (Ctrl-C: 130), after the best map so far
        was written. A reader that goes away (``| head``) changes nothing.
    """
    with standard_streams() as (out, _), ending_signals() as signals:
        written.clear()
        end = _end_of(arguments, signals)
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


def _end_of(arguments: Sequence[str] | None, signals: Signals) -> _End:
    """Run the command to its end, whatever ends it."""
    try:
        return _End(*_run(arguments, signals))
    except SystemExit as stopped:  # argparse: --help, --version, bad usage
        return _End(int(stopped.code or 0), has_left=True)
    except KeyboardInterrupt:
        _say_what_is_left()
        return _End(INTERRUPTED)


@contextlib.contextmanager
def _after_effects(signals: Signals) -> Iterator[None]:
    """What fails after a signal for want of what that cut off, such as a package's import, is the interrupt."""
    try:
        yield
    except Exception as error:
        is_said = isinstance(error, EplbError) and not isinstance(error, ImportError)
        if signals.number and not is_said:
            raise KeyboardInterrupt from error
        raise


def _say_what_is_left() -> None:
    if written:
        say_interrupted(FILES)
    else:
        say("interrupted", "nothing written")


def _run(arguments: Sequence[str] | None, signals: Signals) -> tuple[int, bool]:
    """The command's exit code, and whether it is a verdict; all errors but an interrupt are one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = command_parser()
    try:
        options = parser.parse_args(with_config(given, parser))
        with (
            as_loud_as(options.loudness),
            one_line_messages(),
            _after_effects(signals),
        ):
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


def command_parser() -> Parser:
    """The parser of the command and all that it has."""
    parser = Parser(
        "eplb-opt",
        description="Optimal placement of replicated experts, with a certificate.",
        usage="eplb-opt COMMAND [options]; eplb-opt COMMAND --help",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"eplb-opt {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog="eplb-opt")
    for command in COMMANDS:
        command.add_parser(commands)
    parser.set_defaults(of_all_commands=parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The command ``eplb-opt``: its parser, exit codes and one-line errors; each command is in `commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .commands import convert, demo, gap, solve, verify, warmup
from .commands.output import one_line_warnings
from .errors import EplbError

COMMANDS = (solve, gap, verify, convert, demo, warmup)


class _Parser(argparse.ArgumentParser):
    """argparse that says one line, as every other error here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, 1 if verify finds a fault, 2 for bad input, 130 after an interrupt."""
    options = _parser().parse_args(arguments)
    try:
        with one_line_warnings():
            return int(options.run(options) or 0)
    except EplbError as error:
        print(f"eplb-opt: error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("eplb-opt: interrupted, nothing written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("eplb-opt", description="Optimal placement of replicated experts, with a certificate.")
    parser.add_argument("--version", action="version", version=f"eplb-opt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

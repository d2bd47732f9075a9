"""``eplb-opt warmup``: compile ahead of time, as in the build of an image or before a job."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from ..methods import METHODS
from .common import add_command
from .output import print_lines
from .parser import one_of

EXAMPLES = """
eplb-opt warmup
eplb-opt warmup --method refined
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "warmup",
        "compile once for this installation what the methods call",
        EXAMPLES,
    )
    parser.add_argument(
        "--method",
        type=one_of(METHODS),
        choices=list(METHODS),
        metavar="NAME",
        default="optimal",
        help=f"{', '.join(METHODS)}; default: %(default)s",
    )
    parser.set_defaults(run=_warmup)


def _warmup(options: argparse.Namespace) -> None:
    from ..warmup import warm_up

    seconds = warm_up(options.method, windows=True)
    print_lines([_said(seconds)])


def _said(seconds: float) -> str:
    """What is said of so much compiling."""
    if seconds:
        return f"compiled in {seconds:.1f} s"
    if find_spec("numba") is None:
        return "nothing to compile: numba is not installed"
    return "nothing to compile: numba's cache holds everything"

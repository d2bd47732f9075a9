"""``eplb-opt completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..packages import require
from .common import add_command
from .parser import Parser, commands_of, one_of

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """
eval "$(eplb-opt completion bash)"
eplb-opt completion bash \\
    > ~/.local/share/bash-completion/completions/eplb-opt
eplb-opt completion zsh > ~/.zfunc/_eplb-opt
eplb-opt completion fish | source
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "completion",
        "print what completes commands and options in a shell",
        EXAMPLES,
        usage="SHELL",
    )
    parser.add_argument(
        "shell",
        type=one_of(SHELLS),
        choices=SHELLS,
        metavar="SHELL",
        help=f"{', '.join(SHELLS)}; files are completed, too",
    )
    parser.set_defaults(run=_completion)


def _completion(options: argparse.Namespace) -> None:
    sys.stdout.write(script(options.of_all_commands, options.shell))


def script(parser: Parser, shell: str) -> str:
    """What a shell reads.

    Parameters
    ----------
    parser : Parser
        Of all commands.
    shell : str
        Of `SHELLS`.

    Raises
    ------
    MissingPackageError
        shtab is not installed.
    """
    require("eplb-opt completion", "shtab")
    import shtab

    for command in commands_of(parser).values():
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell))

"""What all commands have in common: how one is added, its examples, and the options that each of them takes."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from .loudness import add_loudness

WIDTH = 58  # of lines that argparse does not break, with two spaces before them: narrow terminals have 60 columns


def add_command(
    commands: Any,
    name: str,
    summary: str,
    examples: str,
    *,
    usage: str = "[options]",
    further: str = "",
) -> argparse.ArgumentParser:
    """Add a command.

    Parameters
    ----------
    commands : the parsers of all commands
    name, summary : str
        The latter is a few words for people.
    examples : str
        Lines as they are typed, of at most `WIDTH` characters.
    usage : str
        What follows the command's name.
    further : str, optional
        What else its help ends with, in such lines.

    Returns
    -------
    argparse.ArgumentParser
        To which the command adds its options.
    """
    indented = "".join(f"\n  {line}" for line in examples.strip().splitlines())
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        usage=_wrapped(f"{commands._prog_prefix} {name} {usage}"),
        description=textwrap.fill(summary[0].upper() + summary[1:], WIDTH),
        epilog=f"examples:{indented}" + (f"\n\n{further}" if further else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with options by their names, such as ranks = 32, and tables of those of one command, "
        "[solve]; what is typed wins",
    )
    add_loudness(group)
    return parser


def _wrapped(usage: str) -> str:
    """A usage, whose first line has "usage: " before it, in lines of at most `WIDTH` characters."""
    return textwrap.fill(
        usage, WIDTH - len("usage: "), subsequent_indent="  ", break_long_words=False
    )

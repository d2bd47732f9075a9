"""The parser: errors are one line that names the option, and the nearest one for a typo."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NoReturn, TypeVar

from ..errors import did_you_mean
from .messages import broken

BAD = 2  # the exit code of bad input
END_OF_OPTIONS = "--"
Value = TypeVar("Value")


class Parser(argparse.ArgumentParser):
    """argparse that says one line, as every other error here, and looks at names before anything else."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, which a terminal may break between words, and end."""
        text = " ".join(message.splitlines()).removeprefix("argument ")
        line = f"{self.prog}: error: {text} (see {self.prog} --help)"
        self.exit(BAD, "\n".join([*broken(line), ""]))

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """As argparse does, but a wrong name is said before what is missing without it."""
        given = list(sys.argv[1:] if args is None else args)
        commands = commands_of(self)
        own = list(_before_command(given) if commands else _before_end(given))
        self._check_options(own)
        if commands and len(own) < len(given):
            self._check_command(given[len(own)], commands)
        return super().parse_known_args(given, namespace)

    def _check_options(self, given: Iterable[str]) -> None:
        """End with an error where something given begins like an option and is none."""
        known = options_of(self)
        for token in given:
            name = token.partition("=")[0]
            is_option = name.startswith("--") and " " not in token
            if is_option and not any(option.startswith(name) for option in known):
                self.error(f"no option {name}{did_you_mean(name, known)}")

    def _check_command(self, name: str, commands: Iterable[str]) -> None:
        """End with an error where a command has another name."""
        names = list(commands)
        if name not in names:
            near = did_you_mean(name, names)
            self.error(f"no command {name!r}{near or ':'} choose from {listed(names)}")


def listed(names: Iterable[str]) -> str:
    """Names with commas between them."""
    return ", ".join(names)


def commands_of(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The commands of a parser by name; of a command's own parser none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """The long names of a parser's options."""
    names = [name for action in parser._actions for name in action.option_strings]
    return [name for name in names if name.startswith("--")]


def _before_command(given: Sequence[str]) -> Iterator[str]:
    """What stands before the command."""
    return takewhile(lambda token: token.startswith("-"), given)


def _before_end(given: Sequence[str]) -> Iterator[str]:
    """What may be options."""
    return takewhile(lambda token: token != END_OF_OPTIONS, given)


def expecting(what: str) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """What makes of a function that raises `ValueError` one whose error says what to give."""

    def decorate(read: Callable[[str], Value]) -> Callable[[str], Value]:
        @functools.wraps(read)
        def told(text: str) -> Value:
            try:
                return read(text)
            except ValueError:
                raise argparse.ArgumentTypeError(f"{text!r}: give {what}") from None

        return told

    return decorate


@expecting("an integer")
def integer(text: str) -> int:
    """An integer, for an option."""
    return int(text)


@expecting("a number such as 0.01, or 1%")
def percent_or_real(text: str) -> float:
    """A number, in percent where it says so.

    Examples
    --------
    >>> percent_or_real("1%"), percent_or_real("0.01")
    (0.01, 0.01)
    """
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


@expecting("a number")
def real(text: str) -> float:
    """A number, for an option."""
    return float(text)


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """What reads an option that is one of some names."""
    known = list(names)

    def chosen(text: str) -> str:
        if text not in known:
            near = did_you_mean(text, known)
            raise argparse.ArgumentTypeError(
                f"no {text!r}{near or ':'} choose from {listed(known)}"
            )
        return text

    return chosen

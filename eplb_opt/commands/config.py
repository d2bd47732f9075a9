"""Options from a file: the same names, read as if they had been typed before all others."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FormatError, OptionError, did_you_mean, shown
from ..packages import require
from .parser import Parser, commands_of

OPTION = "--config"
LEAST_PREFIX = "--co"  # argparse takes what is longer for the option, too
FLAGS = (argparse._StoreTrueAction, argparse._StoreConstAction)


def with_config(given: Sequence[str], parser: Parser) -> list[str]:
    """What was typed, with the options of the file of ``--config``, if it is given, behind the command's name.

    Parameters
    ----------
    given : sequence of str
        What was typed.
    parser : Parser
        Of all commands.

    Raises
    ------
    FormatError
        The file cannot be read.
    OptionError
        It names what is no option, or a value that the option does not take.
    """
    commands = commands_of(parser)
    place = next((i for i, token in enumerate(given) if token in commands), None)
    path = _file_of(given)
    if path is None or place is None:
        return list(given)
    options = _of_command(_read(path), given[place], commands, path)
    command = commands[given[place]]
    added = [
        token
        for name, value in options.items()
        for token in _typed(command, name, value, path)
    ]
    return [*given[: place + 1], *added, *given[place + 1 :]]


def _file_of(given: Sequence[str]) -> Path | None:
    """The file that is given last."""
    path = None
    for i, token in enumerate(given):
        name, equals, value = token.partition("=")
        if not (name.startswith(LEAST_PREFIX) and OPTION.startswith(name)):
            continue
        if equals:
            path = value
        elif i + 1 < len(given):
            path = given[i + 1]
    return None if path is None else Path(path)


def _read(path: Path) -> dict[str, Any]:
    """What the file holds: JSON by its ending, else TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"cannot read {path}: {reason}") from error
    loads = json.loads if path.suffix.lower() == ".json" else _toml_loads()
    try:
        content = loads(text)
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path}: expected names of options and their values")
    return content


def _toml_loads() -> Any:
    """The reader of TOML: Python's, from 3.11 on."""
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads
    require(OPTION, "tomli")
    import tomli

    return tomli.loads


def _of_command(
    content: Mapping[str, Any], name: str, commands: Mapping[str, Parser], path: Path
) -> dict[str, Any]:
    """The options of one command: those of its table, and those of all that it has."""
    tables = {key for key, value in content.items() if isinstance(value, dict)}
    unknown = sorted(tables - commands.keys())
    if unknown:
        near = did_you_mean(unknown[0], commands)
        raise OptionError(f"{path}: no command {unknown[0]!r}{near}")
    known = {option for command in commands.values() for option in _names(command)}
    own = _names(commands[name])
    options = {}
    for key in content.keys() - tables:
        _require_known(key, known, path)
        if _option(key) in own:
            options[key] = content[key]
    for key, value in content.get(name, {}).items():
        _require_known(key, own, path)
        options[key] = value
    return options


def _names(command: Parser) -> set[str]:
    """The options that a file may hold of a command."""
    return set(command._option_string_actions) - {OPTION, "--help"}


def _require_known(key: str, known: set[str], path: Path) -> None:
    """Raise `OptionError` unless there is such an option."""
    if _option(key) not in known:
        names = [name.removeprefix("--") for name in known]
        raise OptionError(f"{path}: no option {key!r}{did_you_mean(key, names)}")


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _typed(command: Parser, key: str, value: Any, path: Path) -> list[str]:
    """An option as it would be typed."""
    option = _option(key)
    action = command._option_string_actions[option]
    if isinstance(action, FLAGS):
        if not isinstance(value, bool):
            raise OptionError(f"{path}: {key} is {shown(value)}: give true or false")
        return [option] if value else []
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(one, (bool, dict, list)) for one in values):
        raise OptionError(f"{path}: {key} is {shown(value)}: give a value")
    texts = [str(one) for one in values]
    if not isinstance(action, argparse._AppendAction):
        texts = [",".join(texts)]
    for text in texts:
        _check(action, key, text, path)
    return [f"{option}={text}" for text in texts]


def _check(action: argparse.Action, key: str, text: str, path: Path) -> None:
    """Raise `OptionError`, said of the file, where the option does not take a value."""
    read = action.type
    if not callable(read):
        return
    try:
        read(text)
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise OptionError(f"{path}: {key}: {error}") from error

"""The files that a command writes: none of them replaces an input or another one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import OptionError

written: list[Path] = []  # by this command, for what is said after an interrupt


def save(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file, and note that it is there."""
    write(path)
    written.append(path)


def check_files(
    outputs: Mapping[str, Path | None], inputs: Sequence[Path] = ()
) -> None:
    """Before any work: whether the files to write can be written and destroy nothing.

    Parameters
    ----------
    outputs : mapping from option to path, or None where it is not given
    inputs : sequence of paths
        Files and folders that are read.

    Raises
    ------
    OptionError
        An output is an input, lies in place of a file in an input's folder, or is another output too.
    FormatError
        A file cannot be written there.
    """
    from ..formats import check_writable

    given = [(option, path) for option, path in outputs.items() if path is not None]
    for i, (option, path) in enumerate(given):
        _check_is_file(option, path)
        for source in inputs:
            _check_keeps(source, option, path)
        for other, earlier in given[:i]:
            if _is_same(path, earlier):
                raise OptionError(
                    f"{other} {earlier} and {option} {path} are one file: name two"
                )
        check_writable(path)


def _check_is_file(option: str, path: Path) -> None:
    """Raise `OptionError` for what would be standard output elsewhere."""
    if str(path) == "-":
        raise OptionError(
            f"{option} -: only --json goes to standard output: name a file"
        )


def _check_keeps(source: Path, option: str, path: Path) -> None:
    """Raise `OptionError` if writing ``path`` would replace an input."""
    if _is_same(path, source):
        raise OptionError(
            f"{option} {path} is the input {source}, which it would replace: name another file"
        )
    if _is_in(path, source):
        raise OptionError(
            f"{option} {path} is there already, in the input folder {source}: name another file, as what was "
            "recorded would be replaced"
        )


def _is_same(one: Path, two: Path) -> bool:
    """Whether two paths name one file: also through links, relative or not, there or not yet."""
    try:
        if one.exists() and two.exists():
            return os.path.samefile(one, two)
        return one.resolve() == two.resolve()
    # A loop of links, a name that no file can have: said where it is opened.
    except (OSError, RuntimeError, ValueError):
        return False


def _is_in(path: Path, folder: Path) -> bool:
    try:
        is_there = folder.is_dir() and path.exists()
        return is_there and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False

"""What commands print: tables, progress, one-line warnings; and running methods with their progress shown."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..limits import Limits
from ..result import SolveInterrupted
from .files import save, written
from .signals import INTERRUPTED

PACKAGE = __name__.partition(".")[0]
STANDARD_OUTPUT = Path("-")  # as the file of --json: nothing else is then printed there
USUAL_WIDTH = 80  # of a terminal that does not say
LIVE_SECONDS = 0.2  # between updates of the line on a terminal
LINE_SECONDS = 5.0  # between lines elsewhere
TO_END = "\033[K"  # clears the rest of the line

if TYPE_CHECKING:
    from ..report.layout import Column
    from ..result import Result


def run_methods(
    instance: Any,
    methods: Sequence[str],
    limits: Limits,
    from_map: Mapping[str, Any] | None = None,
) -> tuple[list[Result], bool]:
    """`solve` with each method in turn, with its progress on standard error.

    Parameters
    ----------
    instance : Instance
    methods : sequence of str
    limits : Limits
    from_map : mapping, optional
        What `solve` is told of a map in use.

    Returns
    -------
    results : list of Result
        One a method; after an interrupt those that there are, the interrupted method's best so far being the last.
    interrupted : bool

    Raises
    ------
    KeyboardInterrupt
        There is no result yet.
    """
    from ..solver import solve

    told = from_map or {}
    results: list[Result] = []
    for method in methods:
        try:
            with shown_progress(method, "layers optimal") as progress:
                results.append(
                    solve(instance, method, limits, progress=progress, **told)
                )
        except SolveInterrupted as stopped:
            return [*results, stopped.result], True
        except KeyboardInterrupt:
            if not results:
                raise
            return results, True
    return results, False


@contextlib.contextmanager
def shown_progress(name: str, done: str) -> Iterator[Callable[[int, int], None]]:
    """A live line on a terminal, a line every few seconds elsewhere; both on standard error."""
    line = _ProgressLine(name, done)
    try:
        yield line.show
    finally:
        line.clear()


class _ProgressLine:
    """What is shown of a work's progress, not more often than somebody reads it."""

    def __init__(self, name: str, done: str) -> None:
        self.name = name
        self.done = done
        self.is_live = _is_terminal(sys.stderr)
        self.least = LIVE_SECONDS if self.is_live else LINE_SECONDS
        self.start = time.monotonic()
        self.last = self.start
        self.is_shown = False

    def show(self, done: int, total: int) -> None:
        """Say how many parts are done, unless that was said a moment ago."""
        now = time.monotonic()
        if now - self.last < self.least:
            return
        self.last = now
        self.is_shown = True
        elapsed = now - self.start
        text = f"{self.name}: {done} of {total} {self.done}, {elapsed:.0f} s"
        _show_progress(f"\r{text}{TO_END}" if self.is_live else f"{text}\n")

    def clear(self) -> None:
        """Leave no live line behind."""
        if self.is_live and self.is_shown:
            _show_progress(f"\r{TO_END}")


def _show_progress(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_line_messages() -> Iterator[None]:
    """Warnings, and what the package logs, as one line each, as errors are."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        say("warning", message)

    logger = logging.getLogger(PACKAGE)
    handler = _Handler(logging.INFO)
    level = logger.level
    with warnings.catch_warnings():
        warnings.showwarning = show
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)


class _Handler(logging.Handler):
    """The log on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record."""
        what = "note" if record.levelno < logging.WARNING else "warning"
        say(what, record.getMessage())


def say(what: str, message: object) -> None:
    """A line on standard error."""
    text = " ".join(str(message).splitlines())
    print(f"eplb-opt: {what}: {text}", file=sys.stderr, flush=True)


def say_interrupted() -> None:
    """What an interrupt has left."""
    files = ", ".join(str(path) for path in written)
    kept = f"the best maps so far are kept: {files}"
    nothing = "no file was asked for, none is written"
    say("interrupted", kept if files else nothing)


def exit_code_of(interrupted: bool) -> int:
    """The exit code of a command that has written what it has; an interrupt is said."""
    if not interrupted:
        return 0
    say_interrupted()
    return INTERRUPTED


def unnumbered(layers: int) -> str:
    """What is said of layers without ids."""
    return f"layers 0..{layers - 1}, as the input does not number them; --layers says otherwise"


def json_file(path: Path | None) -> Path | None:
    """The file of --json; None where none is written."""
    return None if path == STANDARD_OUTPUT else path


def save_json(path: Path | None, content: Mapping[str, Any]) -> None:
    """Write what --json asks for: a file, whole or not at all, or JSON on standard output.

    Parameters
    ----------
    path : Path or None
        Of the option; None: nothing is written.
    content : mapping
        JSON types; finite numbers only.
    """
    from ..formats import write_json

    if path is None:
        return
    if path == STANDARD_OUTPUT:
        print(json.dumps(content, indent=1, allow_nan=False))
    else:
        save(path, lambda file: write_json(file, content))


def print_report(report: Mapping[str, Any], description: str) -> None:
    """A report: its layers and totals.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    description : str
        Of the instance, in a line.
    """
    from ..report.tables import layer_table, totals_lines

    print_lines([f"{report['method']}: {description}"])
    print_table(layer_table(report))
    print_lines(totals_lines(report))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output, once all files are written; on a terminal they are broken between words.

    Whether anybody can read them changes no exit code of ours (see `streams`).
    """
    from ..report.layout import text_lines

    width = _width()
    for line in lines:
        print("\n".join(text_lines(line, width)))


def print_table(columns: Sequence[Column]) -> None:
    """A table: whole in a pipe or file, as wide as a terminal takes it elsewhere."""
    from ..report.layout import table_lines

    for line in table_lines(columns, _width()):
        print(line)


def finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for JSON: what is not finite is null."""
    return [{key: _or_null(value) for key, value in row.items()} for row in rows]


def _or_null(value: Any) -> Any:
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    return None if is_infinite else value


def _width() -> int | None:
    """Characters of a line on the terminal; None where standard output is none."""
    if not _is_terminal(sys.stdout):
        return None
    return shutil.get_terminal_size().columns or USUAL_WIDTH


def _is_terminal(stream: Any) -> bool:
    return bool(stream is not None and stream.isatty())

"""What commands print: results, in tables, lines or JSON; and running methods with their progress shown."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EplbError
from ..limits import Limits
from ..problem.status import Status
from ..result import SolveInterrupted
from .colour import is_coloured, is_terminal, with_coloured_words
from .files import save
from .loudness import is_quiet
from .messages import BEST_MAPS, say_done, say_interrupted
from .progress import USUAL_WIDTH, shown_progress
from .signals import INTERRUPTED, put_off

GREEDY = "greedy"  # what an interrupted command keeps at least
STANDARD_OUTPUT = Path("-")  # as the file of --json: nothing else is then printed there

if TYPE_CHECKING:
    from ..journal.journal import Journal
    from ..report.layout import Column
    from ..result import Result


def run_methods(
    instance: Any,
    methods: Sequence[str],
    limits: Limits,
    from_map: Mapping[str, Any] | None = None,
    is_interrupted: bool = False,
    journal: Journal | None = None,
) -> tuple[list[Result], bool]:
    """`solve` with each method in turn, with its progress on standard error.

    Parameters
    ----------
    instance : Instance
    methods : sequence of str
    limits : Limits
    from_map : mapping, optional
        What `solve` is told of a map in use.
    is_interrupted : bool
        An interrupt has come already: the greedy's map alone is made.
    journal : Journal, optional
        Each method has a section of its own there.

    Returns
    -------
    results : list of Result
        One a method; after an interrupt those that there are, the interrupted method's best so far being the last. If
        there are none, the greedy's.
    interrupted : bool

    Raises
    ------
    KeyboardInterrupt
        There is no result, and the greedy has none.
    """
    with put_off() as loading:
        from ..solver import solve

    told = dict(from_map or {})
    if is_interrupted or loading.came:
        return [_greedys(instance, limits, told)], True
    results: list[Result] = []
    for method in methods:
        if journal is not None:
            told = {**told, "journal": journal.section(method)}
        try:
            with shown_progress(method, "layers optimal") as progress:
                results.append(
                    solve(instance, method, limits, progress=progress, **told)
                )
            say_done(_ended(results[-1]))
        except SolveInterrupted as stopped:
            return [*results, stopped.result], True
        except KeyboardInterrupt:
            return results or [_greedys(instance, limits, told)], True
    return results, False


def _greedys(instance: Any, limits: Limits, told: Mapping[str, Any]) -> Result:
    """The greedy's result, which is there at once; `KeyboardInterrupt` where it has none."""
    from ..solver import solve

    try:
        return solve(instance, GREEDY, limits, **{**told, "journal": None})
    except EplbError as error:
        raise KeyboardInterrupt from error


def exit_code_of(interrupted: bool, kept: str = BEST_MAPS) -> int:
    """The exit code of a command that has written what it has; an interrupt is said, and what is kept."""
    if not interrupted:
        return 0
    say_interrupted(kept)
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
        say_done(f"wrote {path}")


def _ended(result: Result) -> str:
    """What a method came to, in a line."""
    optimal = sum(status is Status.OPTIMAL for status in result.status)
    return (
        f"{result.method}: {optimal} of {len(result.status)} layers OPTIMAL, largest gap {max(result.gap):.4%}, "
        f"{result.seconds:.1f} s"
    )


def add_all_layers(parser: argparse.ArgumentParser) -> None:
    """The option that a table of layers is whole on a terminal, too."""
    parser.add_argument(
        "--all-layers",
        action="store_true",
        help="show all layers on a terminal, too, not only the worst and the open ones of many",
    )


def print_report(
    report: Mapping[str, Any], description: str, all_layers: bool = True
) -> None:
    """A report: its layers and totals.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    description : str
        Of the instance, in a line.
    all_layers : bool
        On a terminal, too; otherwise many layers are shortened there to the worst.
    """
    from ..report.shortened import other_layers_line, worst_layers
    from ..report.tables import layer_table, totals_lines

    print_lines([f"{report['method']}: {description}"])
    layers = report["layers"]
    rows = shown_rows(len(layers), worst_layers(layers), all_layers)
    print_rows(layer_table(report), rows)
    if len(rows) < len(layers):
        print_lines([other_layers_line(layers, rows)])
    print_lines(totals_lines(report))


def shown_rows(count: int, worst: Sequence[int], all_layers: bool) -> Sequence[int]:
    """The rows of a table that are shown: on a terminal, unless all are asked for, the worst."""
    return range(count) if all_layers or not is_terminal(sys.stdout) else worst


def print_rows(columns: Sequence[Column], rows: Sequence[int]) -> None:
    """Some rows of a table."""
    from ..report.shortened import kept_rows

    print_table(kept_rows(columns, rows))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output, once all files are written; on a terminal they are broken between words.

    Whether anybody can read them changes no exit code of ours (see `streams`).
    """
    from ..report.layout import text_lines

    width = _width()
    for line in lines:
        for part in text_lines(line, width):
            _print(part)


def print_table(columns: Sequence[Column]) -> None:
    """A table: whole in a pipe or file, as wide as a terminal takes it elsewhere."""
    from ..report.layout import table_lines

    for line in table_lines(columns, _width()):
        _print(line)


def _print(line: str) -> None:
    """A line of results, unless the command is to be quiet."""
    if not is_quiet():
        print(with_coloured_words(line) if is_coloured(sys.stdout) else line)


def finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for JSON: what is not finite is null."""
    return [{key: _or_null(value) for key, value in row.items()} for row in rows]


def _or_null(value: Any) -> Any:
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    return None if is_infinite else value


def _width() -> int | None:
    """Characters of a line on the terminal; None where standard output is none."""
    if not is_terminal(sys.stdout):
        return None
    return shutil.get_terminal_size().columns or USUAL_WIDTH

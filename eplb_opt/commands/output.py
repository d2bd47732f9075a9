"""What commands print: tables, progress, one-line warnings; and running a method with its progress shown."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..limits import Limits


def run_method(instance: Any, method: str, limits: Limits) -> Any:
    """`solve` with its progress on standard error."""
    from ..solver import solve

    with _progress(method) as progress:
        return solve(instance, method, limits, progress=progress)


@contextlib.contextmanager
def _progress(method: str) -> Iterator[Callable[[int, int], None]]:
    """A live line on a terminal, a line every few seconds elsewhere; both on standard error."""
    start = last = time.monotonic()
    terminal = sys.stderr.isatty()
    shown = False

    def progress(done: int, total: int) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if now - last >= (0.2 if terminal else 5.0):
            last, shown = now, True
            text = f"{method}: {done} of {total} layers optimal, {now - start:.0f} s"
            print(f"\r{text}\033[K" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)

    yield progress
    if terminal and shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_line_warnings() -> Iterator[None]:
    """Warnings as one line each, as errors are."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"eplb-opt: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def unnumbered(layers: int) -> str:
    """What is said of layers without ids."""
    return f"layers 0..{layers - 1}, as the input does not number them; --layers says otherwise"


def print_result(result: Any) -> None:
    """A result: its layers and totals."""
    from ..report.tables import layer_table, totals_lines

    print(f"{result.method}: {result.instance.describe()}")
    print_table(layer_table(result))
    for line in totals_lines(result):
        print(line)


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output, where anyone reads it: closed, full or gone, it changes nothing that is known."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        if sys.stdout is not None:
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()
    except (OSError, ValueError):  # ValueError: a closed file
        with contextlib.suppress(OSError, ValueError):  # what is left in its buffer goes nowhere at exit, too
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_table(table: Any) -> None:
    """A table, as wide as the terminal or a pipe takes it."""
    from rich.console import Console

    from ..report.tables import PIPE_WIDTH

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table)
    sys.stdout.flush()


def finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for JSON: what is not finite is null."""
    return [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]

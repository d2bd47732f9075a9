"""``--dry-run``: everything is read and checked, and said; nothing long is done, and no map is written."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..limits import Limits
from .inspect import inspected, print_inspection
from .output import STANDARD_OUTPUT, print_lines, save_json
from .stated import stated_objective
from .unequal import ranks_in


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="read and check everything, say what was read and what would be done (--json: as inspect writes it), and "
        "end before the work",
    )


def end_dry_run(
    options: argparse.Namespace,
    loads: Any,
    replicas: int,
    notes: list[str],
    plan: Iterable[str],
) -> int:
    """Say what was read and what would be done; returns the exit code.

    Parameters
    ----------
    options : namespace
    loads : Loads
    replicas : int
        Slots a layer.
    notes : list of str
        What was said already.
    plan : iterable of str
        What would be done, a line each.
    """
    found = inspected(options, loads, replicas, notes)
    save_json(options.json, found)
    if options.json != STANDARD_OUTPUT:
        print_inspection(found)
        print_lines(["", *plan, "dry run: nothing was solved"])
    return 0


def plan_of(
    options: argparse.Namespace,
    methods: Sequence[str],
    limits: Limits,
    windows: int,
    outputs: Iterable[Path | None],
) -> Iterator[str]:
    """What a command with methods would do."""
    seconds = f"{limits.seconds:g} s" if limits.seconds is not None else ""
    work = f"work {limits.work:g} a pool" if limits.work is not None else ""
    spent = " and ".join(limit for limit in (seconds, work) if limit)
    yield (
        f"would solve with {', '.join(methods)}: at most {spent} each, {limits.workers} workers, "
        f"to a gap of {limits.gap:.4%}"
    )
    if windows > 1:
        yield f"objective: {_objective(options)}"
    files = [str(path) for path in outputs if path is not None]
    if files:
        yield f"would write {', '.join(files)}"


def _objective(options: argparse.Namespace) -> str:
    """What counts of several windows."""
    if options.across is not None:
        return f"{options.across} of the windows (--across)"
    if _is_of_sizes(options):
        return "sum of the windows (--across chooses)"
    return "mean imbalance of the windows or their sum, as windows that are left out say first (--across chooses)"


def _is_of_sizes(options: argparse.Namespace) -> bool:
    """Whether times or unequal ranks are planned for: then windows are added unless the options say otherwise."""
    is_in_time = stated_objective(options, "sum").timed_by is not None
    is_unequal = any(value is not None for value in ranks_in(options).values())
    return is_in_time or is_unequal

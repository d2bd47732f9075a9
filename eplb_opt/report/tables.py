"""Reports as tables for a terminal: they read what ``--json`` writes and nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..problem.status import Status
from .figures import percent
from .layout import Column


def layer_table(report: Mapping[str, Any]) -> list[Column]:
    """One row a layer: what was found, what was proven, by what, in how long.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    """
    layers = report["layers"]
    return [
        Column("layer", [str(layer["layer_id"]) for layer in layers]),
        Column("imbalance", [f"{layer['imbalance']:.5f}" for layer in layers]),
        Column("balancedness", [f"{layer['balancedness']:.5f}" for layer in layers], order=4),
        Column("bound", [f"{_relative_bound(layer):.5f}" for layer in layers], order=1),
        Column("gap %", [_percent_or_none(layer["gap"]) for layer in layers]),
        Column("status", [layer["status"] for layer in layers], left=True),
        Column("found by", [layer["method"] for layer in layers], order=3, left=True),
        Column("proved by", [layer["bound_method"] for layer in layers], order=2, left=True),
        Column("seconds", [f"{layer['seconds']:.2f}" for layer in layers], order=5),
    ]


def _relative_bound(layer: Mapping[str, Any]) -> float:
    """The bound over the mean rank load, which the report says by the imbalance; 1 in a layer without tokens."""
    objective = layer["objective"]
    return float(layer["lower_bound"] / objective * layer["imbalance"]) if objective > 0 else 1.0


def _percent_or_none(gap: float | None) -> str:
    return percent(math.inf if gap is None else gap)


def totals_lines(report: Mapping[str, Any]) -> list[str]:
    """The totals below the table.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    """
    totals = report["totals"]
    lines = [
        f"{totals['optimal']} of {totals['layers']} layers OPTIMAL, "
        f"imbalance mean {totals['imbalance_mean']:.5f} max {totals['imbalance_max']:.5f} "
        f"(balancedness {totals['balancedness_mean']:.5f}), "
        f"gap % mean {_percent_or_none(totals['gap_mean'])} max {_percent_or_none(totals['gap_max'])}, "
        f"{totals['seconds']:.1f} s"
    ]
    compiling = totals["compile_seconds"]
    if compiling:
        lines.append(f"compiled for {compiling:.1f} s first, once for this installation; not counted above")
    for milestone in totals["reached"]:
        seconds = milestone["seconds"]
        after = "" if seconds is None else f" after {seconds:.2f} s"
        lines.append(f"gap at most {milestone['gap'] * 100:g} % in {milestone['layers']} layers{after}")
    is_open = [layer for layer in report["layers"] if layer["status"] != Status.OPTIMAL.value]
    reasons = Counter(_reason(layer) for layer in is_open)
    lines += [f"open in {count} layers ({reason})" for reason, count in reasons.items()]
    return lines


def _reason(layer: Mapping[str, Any]) -> str:
    """Why a layer is open."""
    stop = layer["stop"]
    note = layer["note"]
    return f"{stop}: {note}" if note not in ("", stop) else stop


def gap_table(rows: Sequence[dict[str, Any]]) -> list[Column]:
    """Methods side by side against the best bound.

    Parameters
    ----------
    rows : sequence of dict
        Of `gap.gap_rows`.
    """
    seconds = ["-" if row["seconds"] is None else f"{row['seconds']:.2f}" for row in rows]
    return [
        Column("method", [row["method"] for row in rows], left=True, folds=True),
        Column("imbalance mean", [f"{row['imbalance_mean']:.5f}" for row in rows]),
        Column("imbalance max", [f"{row['imbalance_max']:.5f}" for row in rows], order=2),
        Column("balancedness", [f"{row['balancedness_mean']:.5f}" for row in rows], order=5),
        Column("gap % mean", [percent(row["gap_mean"]) for row in rows]),
        Column("gap % max", [percent(row["gap_max"]) for row in rows], order=1),
        Column("optimal", [f"{row['optimal']}/{row['layers']}" for row in rows], order=3),
        Column("seconds", seconds, order=4),
    ]

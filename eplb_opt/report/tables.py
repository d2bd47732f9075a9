"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from ..outcome import Status
from ..result import Result
from .figures import percent

# A pipe has no width of its own; this one holds every column without wrapping.
PIPE_WIDTH = 132


def layer_table(result: Result) -> Table:
    """One row a layer: what was found, what was proven, by what, in how long."""
    table = Table(box=None)
    for name in ("layer", "imbalance", "balancedness", "bound", "gap %", "status", "found by", "proved by", "seconds"):
        table.add_column(name, justify="left" if name in ("status", "found by", "proved by") else "right", no_wrap=True)
    for i, c in enumerate(result.certificates):
        mean = float(result.instance.mean[i])
        table.add_row(
            str(c.layer_id), f"{c.imbalance:.5f}", f"{c.balancedness:.5f}",
            f"{c.lower_bound / mean if mean > 0 else 1.0:.5f}", percent(c.gap), str(c.status), c.method,
            c.bound_method, f"{c.seconds:.2f}",
        )  # fmt: skip
    return table


def totals_lines(result: Result) -> list[str]:
    """The totals below the table."""
    t = result.totals()
    lines = [
        f"{t['optimal']} of {t['layers']} layers OPTIMAL, "
        f"imbalance mean {t['imbalance_mean']:.5f} max {t['imbalance_max']:.5f} "
        f"(balancedness {t['balancedness_mean']:.5f}), "
        f"gap % mean {percent(t['gap_mean'])} max {percent(t['gap_max'])}, {t['seconds']:.1f} s"
    ]
    lines += [
        f"gap at most {r['gap'] * 100:g} % in {r['layers']} layers"
        + ("" if r["seconds"] is None else f" after {r['seconds']:.2f} s")
        for r in t["reached"]
    ]
    reasons: dict[str, int] = {}
    for c in result.certificates:
        if c.status is not Status.OPTIMAL:
            reason = f"{c.stop}" + (f": {c.note}" if c.note else "")
            reasons[reason] = reasons.get(reason, 0) + 1
    lines += [f"open in {count} layers ({reason})" for reason, count in reasons.items()]
    return lines


def gap_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Methods side by side against the best bound."""
    table = Table(box=None)
    columns = ("method", "imbalance mean", "max", "balancedness", "gap % mean", "max", "optimal", "seconds")
    for name in columns:
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for row in rows:
        seconds = "-" if row["seconds"] is None else f"{row['seconds']:.2f}"
        table.add_row(
            row["method"], f"{row['imbalance_mean']:.5f}", f"{row['imbalance_max']:.5f}",
            f"{row['balancedness_mean']:.5f}", percent(row["gap_mean"]), percent(row["gap_max"]),
            f"{row['optimal']}/{row['layers']}", seconds,
        )  # fmt: skip
    return table

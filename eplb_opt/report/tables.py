"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..problem.status import Status
from ..result import Result
from .figures import percent
from .layout import Column


def layer_table(result: Result) -> list[Column]:
    """One row a layer: what was found, what was proven, by what, in how long."""
    found = result.certificates
    bounds = []
    for certificate, mean in zip(found, result.instance.mean.tolist(), strict=True):
        bounds.append(f"{certificate.lower_bound / mean if mean > 0 else 1.0:.5f}")
    return [
        Column("layer", [str(c.layer_id) for c in found]),
        Column("imbalance", [f"{c.imbalance:.5f}" for c in found]),
        Column("balancedness", [f"{c.balancedness:.5f}" for c in found], order=4),
        Column("bound", bounds, order=1),
        Column("gap %", [percent(c.gap) for c in found]),
        Column("status", [str(c.status) for c in found], left=True),
        Column("found by", [c.method for c in found], order=3, left=True),
        Column("proved by", [c.bound_method for c in found], order=2, left=True),
        Column("seconds", [f"{c.seconds:.2f}" for c in found], order=5),
    ]


def totals_lines(result: Result) -> list[str]:
    """The totals below the table."""
    t = result.totals()
    lines = [
        f"{t['optimal']} of {t['layers']} layers OPTIMAL, "
        f"imbalance mean {t['imbalance_mean']:.5f} max {t['imbalance_max']:.5f} "
        f"(balancedness {t['balancedness_mean']:.5f}), "
        f"gap % mean {percent(t['gap_mean'])} max {percent(t['gap_max'])}, {t['seconds']:.1f} s"
    ]
    if result.compile_seconds:
        lines.append(
            f"compiled for {result.compile_seconds:.1f} s first, once for this installation; not counted above"
        )
    lines += [
        f"gap at most {r['gap'] * 100:g} % in {r['layers']} layers"
        + ("" if r["seconds"] is None else f" after {r['seconds']:.2f} s")
        for r in t["reached"]
    ]
    reasons: dict[str, int] = {}
    for c in result.certificates:
        if c.status is not Status.OPTIMAL:
            reason = f"{c.stop}" + (f": {c.note}" if c.note not in ("", str(c.stop)) else "")
            reasons[reason] = reasons.get(reason, 0) + 1
    lines += [f"open in {count} layers ({reason})" for reason, count in reasons.items()]
    return lines


def gap_table(rows: Sequence[dict[str, Any]]) -> list[Column]:
    """Methods side by side against the best bound."""
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

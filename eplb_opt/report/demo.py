"""What ``demo`` found, for people: plans side by side on windows that none of them saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..problem.pool import Floats
from .figures import counted
from .layout import Column

SCHEMA = "eplb_opt.demo/1"  # of what `eplb-opt demo --json` writes
MEANINGS = (
    "contiguous: experts in order, no balancing",
    "greedy: what engines do, on the sum of the seen windows",
    "refined: this package's, on the same sum",
    "refined-windows: on the seen windows one by one",
    "optimal: on the sum, too, with a proof",
    "own: each unseen window's own plan, which nobody has in time",
)


def plan_row(
    name: str,
    seen: Floats | None,
    unseen: Floats,
    layer_ids: Sequence[int],
    seconds: float | None,
) -> dict[str, Any]:
    """What a plan is worth, as JSON types.

    Parameters
    ----------
    name : str
    seen, unseen : array [windows, layers]
        Heaviest over mean rank load in the windows that it was made of (None: in none), and in the others.
    layer_ids : sequence of int
        Absolute layer indices.
    seconds : float or None
        Planning time, without compiling; None: it is no plan.

    Returns
    -------
    dict
        The keys of `demo_schema.PLAN`.

    Examples
    --------
    >>> row = plan_row("greedy", np.array([[1.0, 1.2]]), np.array([[1.1, 1.5]]), [3, 4], 0.1)
    >>> row["seen"], row["unseen"], row["worst_layer"]
    (1.1, 1.3, 4)
    """
    by_layer = unseen.mean(axis=0)
    worst = int(by_layer.argmax())
    return {
        "plan": name,
        "seen": None if seen is None else float(seen.mean()),
        "unseen": float(unseen.mean()),
        "unseen_p95": float(np.percentile(unseen.mean(axis=1), 95)),
        "worst_layer": int(layer_ids[worst]),
        "worst_layer_unseen": float(by_layer[worst]),
        "seconds": seconds,
    }


def head_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What was planned on and judged on.

    Parameters
    ----------
    report : mapping
        What `eplb-opt demo --json` writes, as for all here.
    """
    seen, unseen = (counted(len(report[key]), "window") for key in ("seen", "unseen"))
    yield f"recording: {report['recording']}"
    yield "real routes of a small model, top-8, over text that it was not trained on"
    yield report["instance"]
    yield f"planned on day 1 ({seen}), judged on day 2 ({unseen}), which no plan saw"
    yield "heaviest over mean rank load, mean over windows and layers; 1 is perfect"


def plan_table(report: Mapping[str, Any]) -> list[Column]:
    """One row a plan."""
    rows = report["plans"]
    return [
        Column("plan", [row["plan"] for row in rows], left=True, folds=True),
        Column("seen", [_said(row["seen"]) for row in rows], order=1),
        Column("unseen", [_said(row["unseen"]) for row in rows]),
        Column("p95", [_said(row["unseen_p95"]) for row in rows], order=2),
        Column("worst layer", [_worst(row) for row in rows], order=3),
        Column("seconds", [_said(row["seconds"], ".2f") for row in rows], order=4),
    ]


def _said(value: float | None, form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)


def _worst(row: Mapping[str, Any]) -> str:
    return f"{row['worst_layer_unseen']:.4f} ({row['worst_layer']})"


def foot_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What the names mean, what was proven, what it is worth, and what to try next."""
    names = {row["plan"] for row in report["plans"]}
    yield from (line for line in MEANINGS if line.partition(":")[0] in names)
    yield ""
    if report["proven"] is not None:
        layers = counted(report["layers"], "layer")
        yield (
            f"proven: no map beats optimal by {report['gap']:.1%} on day 1's sum, "
            f"in {report['proven']} of {layers}"
        )
    yield from _worth_lines(report)
    yield ""
    yield "when to plan again, and with what (solve in place of replay makes a map):"
    topology = f"--replicas {report['num_replicas']} --ranks {report['num_ranks']}"
    yield f"eplb-opt replay {report['recording']} {topology}"


def _worth_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """How much less the heaviest rank carries on the unseen windows."""
    unseen = {row["plan"]: row["unseen"] for row in report["plans"]}
    best = "refined-windows"
    if best not in unseen:
        return
    for other in ("greedy", "contiguous"):
        less = 1 - unseen[best] / unseen[other]
        yield f"{best}: {less:.1%} less on the heaviest rank of day 2 than {other}"

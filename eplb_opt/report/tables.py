"""Reports as tables for a terminal: they read what ``--json`` writes and nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..problem.status import Status, relative_gap
from .figures import counted, percent
from .layout import Column

Rows = Sequence[Mapping[str, Any]]


def layer_table(report: Mapping[str, Any]) -> list[Column]:
    """One row a layer: what was found, what was proven, by what, in how long.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    """
    layers = report["layers"]
    bounds = [_relative_bound(layer) for layer in layers]
    gaps = [_percent_or_none(layer["gap"]) for layer in layers]
    columns = [
        Column("layer", [str(layer["layer_id"]) for layer in layers]),
        Column("imbalance", _figures(layers, "imbalance")),
        Column("balancedness", _figures(layers, "balancedness"), order=4),
        Column("bound", [f"{bound:.5f}" for bound in bounds], order=1),
        Column("gap %", gaps),
        Column("status", _texts(layers, "status"), left=True),
        Column("found by", _texts(layers, "method"), order=3, left=True),
        Column("proved by", _texts(layers, "bound_method"), order=2, left=True),
        Column("seconds", _seconds(layers), order=5),
    ]
    if layers[0]["moves"] is not None:
        moves = Column("moves", [str(layer["moves"]) for layer in layers])
        columns.insert(2, moves)
    if "cost" in report["objective"]:
        columns[1:1] = _times(report)
    if report["spare"] is not None:
        columns.insert(-4, Column("spare gap %", [_spare_gap(row) for row in layers]))
    return columns


def _times(report: Mapping[str, Any]) -> list[Column]:
    """Of a report in time: the slowest rank at the loads as they are, and the expected time of a step."""
    layers = report["layers"]
    unit = report["objective"]["cost"]["unit"]
    columns = []
    if report["objective"]["across"] == "sum":
        columns.append(Column(f"time, {unit}", _short(layers, "objective")))
    if "step_time" in layers[0]:
        columns.append(Column(f"step, {unit}", _short(layers, "step_time")))
    return columns


def _short(rows: Rows, key: str) -> list[str]:
    return [f"{row[key]:.5g}" for row in rows]


def _spare_gap(layer: Mapping[str, Any]) -> str:
    """How far the objective may be from that of the lightest map with spare replicas."""
    return percent(relative_gap(layer["objective"], layer["spare_bound"]))


def _texts(rows: Rows, key: str) -> list[str]:
    return [row[key] for row in rows]


def _figures(rows: Rows, key: str) -> list[str]:
    return [f"{row[key]:.5f}" for row in rows]


def _percents(rows: Rows, key: str) -> list[str]:
    return [percent(row[key]) for row in rows]


def _seconds(rows: Rows) -> list[str]:
    """Times; what was read from a file has none."""
    return ["-" if row["seconds"] is None else f"{row['seconds']:.2f}" for row in rows]


def _relative_bound(layer: Mapping[str, Any]) -> float:
    """The bound over the mean rank load, which the report says by the imbalance; 1 in a layer without tokens."""
    objective = layer["objective"]
    if objective <= 0:
        return 1.0
    return float(layer["lower_bound"] / objective * layer["imbalance"])


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
    lines = [_summary(totals), *_step_lines(report)]
    if totals["moves"] is not None:
        slots = report["num_replicas"] * totals["layers"]
        lines.append(f"{totals['moves']} of {slots} replicas move from the map in use")
    if report["spare"] is not None:
        lines.append(_spare_line(report["spare"], report["layers"]))
    compiling = totals["compile_seconds"]
    if compiling:
        lines.append(
            f"compiled for {compiling:.1f} s first, once for this installation; not counted above"
        )
    lines += [_milestone_line(milestone) for milestone in totals["reached"]]
    return lines + _open_lines(report["layers"])


def _step_lines(report: Mapping[str, Any]) -> list[str]:
    """All layers of an expected step together, where it is known."""
    layers = report["layers"]
    if "step_time" not in layers[0]:
        return []
    whole = sum(layer["step_time"] for layer in layers)
    error = math.hypot(*(layer["step_time_error"] for layer in layers))
    unit = report["objective"]["cost"]["unit"]
    return [
        f"a step's slowest ranks, all layers: {whole:.5g} +- {error:.1g} {unit} expected, by simulation"
    ]


def _summary(totals: Mapping[str, Any]) -> str:
    """How many layers are optimal, and mean and worst figures."""
    layers = counted(totals["layers"], "layer")
    imbalance = f"mean {totals['imbalance_mean']:.5f} max {totals['imbalance_max']:.5f}"
    mean_gap = _percent_or_none(totals["gap_mean"])
    largest_gap = _percent_or_none(totals["gap_max"])
    return (
        f"{totals['optimal']} of {layers} OPTIMAL, imbalance {imbalance} "
        f"(balancedness {totals['balancedness_mean']:.5f}), "
        f"gap % mean {mean_gap} max {largest_gap}, {totals['seconds']:.1f} s"
    )


def _spare_line(spare: str, layers: Rows) -> str:
    """What may fail, and how far the map may be from the lightest one of that kind."""
    gaps = [relative_gap(row["objective"], row["spare_bound"]) for row in layers]
    mean = percent(sum(gaps) / len(gaps))
    return (
        f"spare: any one {spare} may fail, and every expert still has a replica; "
        f"gap to the bound of such maps % mean {mean} max {percent(max(gaps))}"
    )


def _milestone_line(milestone: Mapping[str, Any]) -> str:
    """In how many layers the gap came below a milestone, and when."""
    gap = milestone["gap"] * 100
    layers = counted(milestone["layers"], "layer")
    seconds = milestone["seconds"]
    after = "" if seconds is None else f" after {seconds:.2f} s"
    return f"gap at most {gap:g} % in {layers}{after}"


def _open_lines(layers: Rows) -> list[str]:
    """How many layers are open, a reason a line."""
    is_open = [layer for layer in layers if layer["status"] != Status.OPTIMAL.value]
    reasons = Counter(_reason(layer) for layer in is_open)
    return [
        f"open in {counted(count, 'layer')} ({reason})"
        for reason, count in reasons.items()
    ]


def _reason(layer: Mapping[str, Any]) -> str:
    """Why a layer is open."""
    stop = layer["stop"]
    note = layer["note"]
    return f"{stop}: {note}" if note not in ("", stop) else stop


def gap_table(rows: Rows) -> list[Column]:
    """Methods side by side against the best bound.

    Parameters
    ----------
    rows : sequence of dict
        Of `gap.gap_rows`.
    """
    return [
        Column("method", _texts(rows, "method"), left=True, folds=True),
        Column("imbalance mean", _figures(rows, "imbalance_mean")),
        Column("imbalance max", _figures(rows, "imbalance_max"), order=2),
        Column("balancedness", _figures(rows, "balancedness_mean"), order=5),
        Column("gap % mean", _percents(rows, "gap_mean")),
        Column("gap % max", _percents(rows, "gap_max"), order=1),
        Column(
            "optimal", [f"{row['optimal']}/{row['layers']}" for row in rows], order=3
        ),
        Column("seconds", _seconds(rows), order=4),
    ]

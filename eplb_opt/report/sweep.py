"""A sweep as text: the cells of each number of ranks, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .figures import counted
from .layout import Column

OFF = "off"
MICRO = 1e6  # of a second
LEAST_WHOLE = 10.0  # microseconds that are written without a point
MOST_WHOLE = 1e9
GIBI = 2**30
SECONDS = "s"
ON_FRONTIER = "*"
RESUME = "eplb-opt sweep --journal makes the others and says what to take"
WORTH = 0.005  # a change of a step that is named

Report = Mapping[str, Any]
Row = Mapping[str, Any]


def head_lines(report: Report) -> list[str]:
    """What was swept, and by what it is judged."""
    tokens = f"tokens a step times {report['top_k']} experts of each (--top-k)"
    size = f"{report['layers']} layers x {report['experts']} experts"
    lines = [f"{size}, {report['method']}, {tokens}"]
    lines += _mode_lines(report)
    lines += [f"{note[0].upper()}{note[1:]}." for note in report["notes"]]
    lines += [_left_out(place) for place in report["left_out"]]
    return lines


def _mode_lines(report: Report) -> list[str]:
    """What maps have to keep to."""
    kept = []
    if report["num_nodes"] > 1:
        nodes = counted(report["num_nodes"], "node")
        groups = counted(report["num_groups"], "group")
        kept.append(
            f"{groups} kept whole on {nodes} where these divide groups and ranks"
        )
    if report["distinct"]:
        kept.append("no rank holds an expert twice")
    return [f"Maps: {'; '.join(kept)}."] if kept else []


def _left_out(place: Row) -> str:
    return f"left out: {place['replicas']} slots on {place['ranks']} ranks"


def cell_table(report: Report, ranks: int) -> list[Column]:
    """The cells of so many ranks, a row for each number of slots and tokens."""
    cells = [cell for cell in report["cells"] if cell["ranks"] == ranks]
    cells.sort(key=lambda cell: int(cell["tokens_per_step"]))
    columns = [
        Column("tokens", [str(cell["tokens_per_step"]) for cell in cells]),
        Column("slots", [str(cell["replicas"]) for cell in cells]),
        Column("map", [cell["map"] for cell in cells], left=True),
        *_plan_columns(cells, report),
        Column(_named("step", report), [step_text(cell["step"], report) for cell in cells]),
        Column("least", [step_text(cell["step_bound"], report) for cell in cells], order=1),
        Column("above %", [_percent(cell["step_gap"], 1) for cell in cells], order=2),
        Column("best", [ON_FRONTIER if cell.get("frontier") else "" for cell in cells], left=True),
    ]  # fmt: skip
    if report["bytes_per_expert"] is not None:
        sizes = [f"{cell['slots_bytes'] / GIBI:.1f}" for cell in cells]
        columns.insert(3, Column("GiB", sizes))
    return columns


def _plan_columns(cells: Sequence[Row], report: Report) -> list[Column]:
    """What is planned for, and what is proven of it: times, or imbalances."""
    gaps = Column("gap %", [_percent(cell["gap"], 2) for cell in cells], order=4)
    if any(cell.get("time") is not None for cell in cells):
        times = [_time(cell.get("time"), report) for cell in cells]
        bounds = [_time(cell.get("time_bound"), report) for cell in cells]
        name = _named("time", report)
        return [Column(name, times, order=3), Column("bound", bounds, order=5), gaps]
    return [
        Column("imbalance", [_figure(cell["imbalance"]) for cell in cells], order=3),
        Column("bound", [_figure(cell["bound"]) for cell in cells], order=5),
        gaps,
    ]


def _named(what: str, report: Report) -> str:
    """A column of times in microseconds says so."""
    return f"{what} us" if report["unit"] == SECONDS else what


def _time(value: float | None, report: Report) -> str:
    return "-" if value is None else step_text(value, report)


def legend_lines(report: Report) -> list[str]:
    """What the columns say."""
    if report["unit"] == SECONDS:
        step = "step: mean time of the slowest rank; least: no map of so many slots is faster"
    else:
        step = "step: heaviest over mean rank of a step; least: no map's mean is below"
    lines = [
        step,
        f"best {ON_FRONTIER}: no map here of at most so many slots is faster",
    ]
    if any(cell.get("time") is not None for cell in report["cells"]):
        lines.insert(
            0,
            "time: slowest rank at a step's mean loads; bound: proven, none is faster",
        )
    return lines


def advice_lines(report: Report) -> list[str]:
    """What to do at each number of ranks and tokens, in words."""
    return [line for row in report["advice"] for line in _advice_of(row, report)]


def _advice_of(row: Row, report: Report) -> list[str]:
    """The map to take, then what it gains and what other maps would cost."""
    place = f"{row['ranks']} ranks, {row['tokens_per_step']} tokens a step"
    step = step_text(row["step"], report, with_unit=True)
    compared = "; ".join([*_gains(row, report), *_losses(row)])
    more = [compared, _proven(row)]
    lines = [f"{place}: {choice(row)}, {step}"]
    return [*lines, *(f"  {line}" for line in more if line)]


def choice(row: Row) -> str:
    """The map that a row of the advice says to take."""
    if row["map"] == OFF:
        return "leave it off, no plan gains 1%"
    redundant = row["redundant"]
    if not redundant:
        return "no redundant expert, balanced"
    return counted(redundant, "redundant expert")


def _gains(row: Row, report: Report) -> list[str]:
    """How much less a step takes than without balancing, and than without redundant experts."""
    found = []
    if row["map"] != OFF and row["gain"] is not None:
        off = step_text(row["off_step"], report, with_unit=True)
        found.append(f"{row['gain']:.1%} less than off ({off})")
    if row["redundant"] and row["redundancy_gain"] is not None:
        found.append(f"{row['redundancy_gain']:.1%} less than balanced")
    return [", ".join(found)] if found else []


def _losses(row: Row) -> list[str]:
    """What the most slots would cost more."""
    if row["most_replicas"] == row["replicas"] or row["most_loss"] < WORTH:
        return []
    return [f"{row['most_replicas']} slots: +{row['most_loss']:.1%}"]


def _proven(row: Row) -> str:
    """How far any map of any of these slots could be below."""
    above = row.get("above_least")
    if above is None:
        return ""
    return f"proven: at most {max(above, 0.0):.1%} above any map of these slots"


def summary_lines(report: Report) -> list[str]:
    """The advice in short: from which batch on redundant experts pay."""
    if not report["complete"]:
        return [f"not complete, {len(report['cells'])} cells: {RESUME}"]
    pays = [row for row in report["advice"] if row["redundant"]]
    if not pays:
        return ["Redundant experts pay in none of these cells: leave them out."]
    ranks = dict.fromkeys(row["ranks"] for row in report["advice"])
    return [_from_which_batch(report["advice"], count) for count in ranks]


def _from_which_batch(advice: Sequence[Row], ranks: int) -> str:
    """At which batches redundant experts pay on so many ranks."""
    rows = sorted(
        (row for row in advice if row["ranks"] == ranks),
        key=lambda row: int(row["tokens_per_step"]),
    )
    pays = [row for row in rows if row["redundant"]]
    if not pays:
        return f"On {ranks} ranks redundant experts pay at none of these batches."
    if pays == rows[-len(pays) :]:
        first = pays[0]
        return (
            f"On {ranks} ranks redundant experts pay from {first['tokens_per_step']} tokens a step on: "
            f"{first['redundant']} there."
        )
    places = ", ".join(f"{row['tokens_per_step']} ({row['redundant']})" for row in pays)
    return f"On {ranks} ranks redundant experts pay at these tokens a step, and not at others: {places}."


def step_text(value: float, report: Report, with_unit: bool = False) -> str:
    """A step's time in microseconds, or its imbalance."""
    if report["unit"] == SECONDS:
        micros = value * MICRO
        digits = ".0f" if LEAST_WHOLE <= micros < MOST_WHOLE else ".3g"
        return f"{micros:{digits}}" + (" us" if with_unit else "")
    return f"{value:.4g}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _percent(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value * 100:.{digits}f}"

"""Figures of a replay: unseen windows and layers by policy, how often to re-plan, what the imbalance is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .content import Figure, Plot
from .figures import (
    CONTIGUOUS,
    SYMBOLS,
    above_mean,
    categories,
    colour,
    label,
    layer_axis,
    styles_of,
)
from .part_figures import sampling_caption, stacked

Outcome = Mapping[str, Any]
Report = Mapping[str, Any]
HEIGHT = 380
DASHES = ("solid", "dash", "longdash", "dashdot")
FLOOR = "own"  # each window's own plan


def name_of(row: Outcome, report: Report) -> str:
    """What a way is called: its policy, and its slots where there are several numbers of them."""
    slots = {outcome["replicas"] for outcome in report["outcomes"]}
    return row["policy"] if len(slots) == 1 else f"{row['policy']}, {row['replicas']}"


def shown_rows(report: Report) -> list[Outcome]:
    """The outcomes that are shown beside each other."""
    return [row for row in report["outcomes"] if row["shown"]]


def look_of(row: Outcome, report: Report) -> tuple[str, str]:
    """Style and dashes of a way: policies differ in colour, numbers of slots in dashes."""
    policies = list(dict.fromkeys(row["policy"] for row in report["outcomes"]))
    styles = styles_of(policies, report["advice"]["policy"])
    slots = list(dict.fromkeys(row["replicas"] for row in report["outcomes"]))
    return styles[row["policy"]], DASHES[slots.index(row["replicas"]) % len(DASHES)]


def window_figure(report: Report) -> Figure:
    """Served windows one by one."""
    layout = {
        "height": HEIGHT,
        "hovermode": "x unified",
        "xaxis": {"title": {"text": "window"}},
        "yaxis": {"title": {"text": "above the mean, %"}, "rangemode": "tozero"},
    }
    return Figure(
        "unseen",
        "Imbalance of every window, in the mean of layers",
        "Each window was served by a map that was planned before it came. The floor is a map for this one window, "
        "which nobody can have in time.",
        _plots(report, report["served"], "window_imbalance", layout),
    )


def layer_figure(report: Report) -> Figure:
    """Layers, each in the mean of the served windows."""
    layout = {
        "height": HEIGHT,
        "xaxis": layer_axis(),
        "yaxis": {"title": {"text": "above the mean, %"}, "rangemode": "tozero"},
    }
    ids = categories(report["layer_ids"])
    return Figure(
        "layers",
        "Imbalance of every layer, in the mean of windows",
        "Layers differ: a few uneven ones can be most of what is lost.",
        _plots(report, ids, "layer_imbalance", layout),
    )


def _plots(
    report: Report, x: Sequence[Any], values: str, layout: dict[str, Any]
) -> dict[str, Plot]:
    """All policies, and before that those that balance at all, if others are far above."""
    rows = shown_rows(report)
    near = [row for row in rows if row["policy"] != CONTIGUOUS]
    choices = {"all policies": rows}
    if 0 < len(near) < len(rows):
        choices = {f"without {CONTIGUOUS}": near} | choices
    return {
        choice: {
            "data": [_line(row, report, x, values) for row in chosen],
            "layout": layout,
        }
        for choice, chosen in choices.items()
    }


def _line(
    row: Outcome, report: Report, x: Sequence[Any], values: str
) -> dict[str, Any]:
    name = label(name_of(row, report))
    style, dash = look_of(row, report)
    is_floor = row["policy"] == FLOOR
    drawn = "var(--text)" if is_floor else colour(style)
    return {
        "type": "scatter",
        "mode": "lines" if values == "window_imbalance" else "lines+markers",
        "name": f"{name} (floor)" if is_floor else name,
        "x": list(x),
        "y": above_mean(row[values]),
        "line": {"color": drawn, "width": 1.6, "dash": "dot" if is_floor else dash},
        "marker": {"color": drawn, "symbol": SYMBOLS[style], "size": 6},
        "hovertemplate": "<b>%{y:.2f} %</b>",
    }


def interval_figure(report: Report) -> Figure | None:
    """How often to re-plan; None where one interval was played."""
    rows_of: dict[str, list[Outcome]] = {}
    for row in report["outcomes"]:
        if row["policy"] not in (CONTIGUOUS, FLOOR):  # the same at every interval
            rows_of.setdefault(name_of(row, report), []).append(row)
    several = {name: rows for name, rows in rows_of.items() if len(rows) > 1}
    if not several:
        return None
    data = [_intervals(name, rows, report) for name, rows in several.items()]
    layout = {
        "height": HEIGHT,
        "xaxis": {"type": "category", "title": {"text": "windows between plans"}},
        "yaxis": {"title": {"text": "above the mean, %"}, "rangemode": "normal"},
    }
    return Figure(
        "intervals",
        "Imbalance by how often maps are planned anew",
        "Planning more often follows the traffic, and moves weights more often: point at a dot to see "
        "how many.",
        {"intervals": {"data": data, "layout": layout}},
    )


def _intervals(name: str, rows: list[Outcome], report: Report) -> dict[str, Any]:
    style, dash = look_of(rows[0], report)
    rows = sorted(rows, key=lambda row: row["interval"] or np.inf)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(name),
        "x": [every(row["interval"]) for row in rows],
        "y": above_mean([row["imbalance_mean"] for row in rows]),
        "text": [_moves(row) for row in rows],
        "line": {"color": colour(style), "dash": dash},
        "marker": {"color": colour(style), "symbol": SYMBOLS[style], "size": 8},
        "hovertemplate": f"re-plan: %{{x}}<br><b>%{{y:.2f}} %</b><br>%{{text}}<extra>{label(name)}</extra>",
    }


def every(interval: int | None) -> str:
    """An interval as people say it.

    Examples
    --------
    >>> every(4), every(None)
    ('4', 'never')
    """
    return "never" if interval is None else str(interval)


def _moves(row: Outcome) -> str:
    if row["moves_mean"] is None:
        return "no re-plan"
    return (
        f"{row['moves_mean']:.1f} moves a layer ({row['moves_share']:.0%} of the slots)"
    )


def parts_figure(report: Report) -> Figure | None:
    """What the imbalance is made of; None without a step's tokens."""
    rows = [row for row in shown_rows(report) if row["parts"] is not None]
    if not rows:
        return None
    names = [name_of(row, report) for row in rows]
    tokens = report["tokens_per_step"]
    return Figure(
        "parts",
        "What the imbalance is made of",
        "Map: what a plan leaves in the windows that it was made on. Drift: what is added because other windows came. "
        f"{sampling_caption(tokens)}",
        {"parts": stacked(names, [row["parts"] for row in rows])},
    )

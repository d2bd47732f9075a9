"""Lines of a sweep: what a step takes by slots, ranks and memory, and how good its plans are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .content import Figure, Plot
from .figures import SYMBOLS, above_mean, colour, rounded
from .swept import Cell, Swept, gibi

HEIGHT = 400
STYLES = ("best", "greedy", "1", "4", "2", "in-use", "3", "contiguous")
MOST_TICKS = 12
XOf = Callable[[Cell], float]


def steps_by_slots(swept: Swept) -> Figure:
    """What a step takes against the slots of a layer, a line for each number of ranks."""
    return Figure(
        "steps",
        f"{_steps(swept)} by slots and ranks",
        f"{_shown_ranks(swept)}Dotted: no map of so many slots and ranks takes less in the same simulated steps, which "
        "is proven. Crosses: experts in their order, without balancing. A ring marks what is recommended.",
        {
            f"{tokens} tokens a step": _by_slots(swept, tokens)
            for tokens in reversed(swept.batches)
        },
        "batch",
    )


def steps_by_memory(swept: Swept) -> Figure | None:
    """The same against the memory of the slots; None where the size of an expert is not known."""
    if swept.report["bytes_per_expert"] is None:
        return None
    axis = {"title": {"text": "GiB of a GPU that the slots of all layers take"}}
    plots = {
        f"{tokens} tokens a step": _lines(swept, tokens, gibi, axis)
        for tokens in reversed(swept.batches)
    }
    return Figure(
        "memory",
        f"{_steps(swept)} by memory",
        "Memory that slots take is not there for the cache of requests. Where a line hardly falls to the right, more "
        "slots are not worth it.",
        plots,
        "batch",
    )


def plans(swept: Swept) -> Figure:
    """How even or fast the plans are, and how far they may be from the best."""
    if not swept.is_relative:
        return _plans_of_batches(swept)
    batch = swept.batches[0]  # plans are the same at every one
    return Figure(
        "plans",
        "Imbalance of the plans",
        f"{_shown_ranks(swept)}Of the recorded loads, the mean over layers: what infinitely large steps would show. "
        "Dotted: proven, no map of so many slots is below.",
        {
            "above the mean": _imbalances(swept, batch),
            "gap to the proven bound": _gaps(swept, batch),
        },
    )


def _plans_of_batches(swept: Swept) -> Figure:
    """With a cost every batch has plans of its own."""
    plot = _times if swept.has_times else _imbalances
    of_what = "Times" if swept.has_times else "Imbalance"
    return Figure(
        "plans",
        f"{of_what} of the plans",
        f"{_shown_ranks(swept)}The slowest rank at a step's mean loads, the mean over layers: what is planned for. "
        "Dotted: proven, no map of so many slots is below.",
        {
            f"{tokens} tokens a step": plot(swept, tokens)
            for tokens in reversed(swept.batches)
        },
        "batch",
    )


def _steps(swept: Swept) -> str:
    return "Imbalance of a step" if swept.is_relative else "Time of a step"


def _lined(swept: Swept) -> list[int]:
    """The numbers of ranks that get a line: all, or as many as can be told apart."""
    ranks = swept.ranks
    places = np.linspace(0, len(ranks) - 1, min(len(ranks), len(STYLES)))
    return [ranks[place] for place in np.rint(places).astype(int)]


def _shown_ranks(swept: Swept) -> str:
    """What is said where not all numbers of ranks have a line."""
    lined = _lined(swept)
    if len(lined) == len(swept.ranks):
        return ""
    return f"Shown: {len(lined)} of {len(swept.ranks)} numbers of ranks; the table has all. "


def _by_slots(swept: Swept, tokens: int) -> Plot:
    return _lines(swept, tokens, _slots, _slot_axis(swept))


def _lines(swept: Swept, tokens: int, x_of: XOf, axis: dict[str, Any]) -> Plot:
    data: list[dict[str, Any]] = []
    for style, ranks in zip(STYLES, _lined(swept), strict=False):
        data += _of_ranks(swept, swept.at(ranks, tokens), x_of, style)
        data += _alone(swept, ranks, tokens, x_of, style)
    return {"data": data, "layout": _layout(axis, f"step, {swept.unit}")}


def _slots(cell: Cell) -> float:
    return float(cell["replicas"])


def _slot_axis(swept: Swept) -> dict[str, Any]:
    """An axis of slots, with a tick at each number of them if they are few."""
    slots = sorted({cell["replicas"] for cell in swept.cells})
    axis: dict[str, Any] = {"title": {"text": "slots of a layer"}}
    return axis | {"tickvals": slots} if len(slots) <= MOST_TICKS else axis


def _layout(x: dict[str, Any], y: str) -> dict[str, Any]:
    return {
        "height": HEIGHT,
        "hovermode": "closest",
        "xaxis": x,
        "yaxis": {"title": {"text": y}, "rangemode": "normal"},
    }


def _of_ranks(
    swept: Swept, cells: Sequence[Cell], x_of: XOf, style: str
) -> list[dict[str, Any]]:
    """The plans of so many ranks, and what no map is below."""
    if not cells:
        return []
    x = rounded([x_of(cell) for cell in cells], 3)
    name = f"{cells[0]['ranks']} ranks"
    steps = [swept.value(cell["step"]) for cell in cells]
    least = [swept.value(cell["step_bound"]) for cell in cells]
    said = f"%{{customdata}} slots on {name}<br><b>%{{y:.4~g}}</b>"
    slots = [cell["replicas"] for cell in cells]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": x,
        "y": _figures(steps),
        "customdata": slots,
        "line": {"color": colour(style), "width": 1.8},
        "marker": {"color": colour(style), "symbol": SYMBOLS[style], "size": 8},
        "hovertemplate": f"{said} {swept.unit}<extra></extra>",
    }
    bound = {
        "type": "scatter",
        "mode": "lines",
        "name": f"{name}: least",
        "showlegend": False,
        "x": x,
        "y": _figures(least),
        "customdata": slots,
        "line": {"color": colour(style), "width": 1.4, "dash": "dot"},
        "hovertemplate": f"{said} {swept.unit}: no map is below<extra></extra>",
    }
    return [line, bound]


def _alone(
    swept: Swept, ranks: int, tokens: int, x_of: XOf, style: str
) -> list[dict[str, Any]]:
    """The map without balancing, and the one that is recommended."""
    off = swept.off(ranks, tokens)
    advice = swept.advice_at(ranks, tokens)
    found = []
    if off is not None:
        found.append(_mark(swept, off, x_of, style, "x-thin-open", "off"))
    if advice is not None:
        cell = swept.advised(advice)
        found.append(_mark(swept, cell, x_of, style, "circle-open", "recommended"))
    return found


def _mark(
    swept: Swept, cell: Cell, x_of: XOf, style: str, symbol: str, what: str
) -> dict[str, Any]:
    place = f"{cell['replicas']} slots on {cell['ranks']} ranks"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{cell['ranks']} ranks: {what}",
        "x": rounded([x_of(cell)], 3),
        "y": _figures([swept.value(cell["step"])]),
        "showlegend": False,
        "marker": {
            "color": colour(style),
            "symbol": symbol,
            "size": 15 if what == "recommended" else 9,
            "line": {"color": colour(style), "width": 2},
        },
        "hovertemplate": f"{place}<br><b>%{{y:.4~g}}</b> {swept.unit}: {what}<extra></extra>",
    }


def _figures(values: Sequence[float | None]) -> list[Any]:
    """Steps of any size with five digits; what is not known is null."""
    return [None if value is None else float(f"{value:.5g}") for value in values]


def _imbalances(swept: Swept, tokens: int) -> Plot:
    """How even plans are, against what no map is below."""
    data: list[dict[str, Any]] = []
    for style, ranks in zip(STYLES, _lined(swept), strict=False):
        cells = swept.at(ranks, tokens)
        for key, dash, what in (
            ("imbalance", "solid", "plan"),
            ("bound", "dot", "bound"),
        ):
            values = above_mean([_known(cell[key]) for cell in cells])
            data.append(_plan_line(cells, values, style, dash, what))
    return {"data": data, "layout": _layout(_slot_axis(swept), "above the mean, %")}


def _times(swept: Swept, tokens: int) -> Plot:
    """What the slowest rank takes at mean loads, against what none is below."""
    data: list[dict[str, Any]] = []
    for style, ranks in zip(STYLES, _lined(swept), strict=False):
        cells = swept.at(ranks, tokens)
        for key, dash, what in (
            ("time", "solid", "plan"),
            ("time_bound", "dot", "bound"),
        ):
            values = _figures([swept.value(cell.get(key)) for cell in cells])
            data.append(_plan_line(cells, values, style, dash, what, swept.unit))
    return {"data": data, "layout": _layout(_slot_axis(swept), f"time, {swept.unit}")}


def _gaps(swept: Swept, tokens: int) -> Plot:
    """How far plans may be above the best ones."""
    data = []
    for style, ranks in zip(STYLES, _lined(swept), strict=False):
        cells = swept.at(ranks, tokens)
        values = rounded([_known(cell["gap"]) * 100 for cell in cells], 4)
        data.append(_plan_line(cells, values, style, "solid", "gap"))
    return {"data": data, "layout": _layout(_slot_axis(swept), "gap, %")}


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _plan_line(
    cells: Sequence[Cell],
    values: list[Any],
    style: str,
    dash: str,
    what: str,
    unit: str = "%",
) -> dict[str, Any]:
    ranks = cells[0]["ranks"] if cells else 0
    name = f"{ranks} ranks"
    is_bound = dash == "dot"
    return {
        "type": "scatter",
        "mode": "lines" if is_bound else "lines+markers",
        "name": f"{name}: {what}" if is_bound else name,
        "showlegend": not is_bound,
        "x": [cell["replicas"] for cell in cells],
        "y": values,
        "line": {"color": colour(style), "width": 1.6, "dash": dash},
        "marker": {"color": colour(style), "symbol": SYMBOLS[style], "size": 8},
        "hovertemplate": f"%{{x}} slots on {name}<br>{what}: <b>%{{y:.5~g}} {unit}</b><extra></extra>",
    }

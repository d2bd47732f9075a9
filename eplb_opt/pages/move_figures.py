"""What moves from the map in use to the one to have, layer by layer."""

from __future__ import annotations

from typing import Any

from .content import Figure, Section
from .figures import categories, colour, layer_axis
from .study import Study

HEIGHT = 300


def move_section(study: Study) -> Section | None:
    """Replicas that move; None where no map is in use."""
    moves = study.moves
    if moves is None:
        return None
    rows = categories(study.layer_ids)
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": "replicas that move",
            "x": rows,
            "y": moves,
            "marker": {"color": colour("best")},
            "hovertemplate": "layer %{x}<br><b>%{y}</b> replicas move<extra></extra>",
        }
    ]
    bounds = [layer.get("moves_bound") for layer in study.layers]
    if None not in bounds and any(bounds):
        data.append(_bounds(rows, bounds))
    layout = {
        "height": HEIGHT,
        "xaxis": layer_axis(),
        "yaxis": {"title": {"text": "replicas"}, "rangemode": "tozero"},
    }
    figure = Figure(
        "moves",
        "Replicas that move, layer by layer",
        "A replica moves if its rank does not hold that expert now, so that its weights have to be copied there. Short "
        "lines, where they are shown: proven, any map as good moves at least so many.",
        {"moves": {"data": data, "layout": layout}},
    )
    words = [
        f"Ranks are named so that few weights have to be copied: {sum(moves)} replicas in all. "
        "eplb-opt diff says what that takes in bytes and seconds, and in which order to do it."
    ]
    return Section("What moves", words, [figure])


def _bounds(rows: list[str], bounds: list[Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "proven least",
        "x": rows,
        "y": bounds,
        "marker": {
            "symbol": "line-ew",
            "size": 9,
            "line": {"color": "var(--text)", "width": 2},
        },
        "hovertemplate": "layer %{x}<br>at least <b>%{y}</b> have to<extra></extra>",
    }

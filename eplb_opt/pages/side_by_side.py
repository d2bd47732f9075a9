"""The layout of one or two heat maps: side by side, or on a narrow page one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .figures import colour_scale, label, layer_axis

ROW = 7  # pixels of a layer
LEAST_HEIGHT = 280
MOST_HEIGHT = 540
HEAD = 78  # pixels above the heat maps: the colour bar and names
FOOT = 48
SCALE = "load against the layer's mean"
GAP = 0.06  # between two heat maps side by side, as a part of the width
BETWEEN = 62  # pixels between two of which one is below the other


def axis(name: str, number: int) -> str:
    """The name of an axis of the heat map of a number.

    Examples
    --------
    >>> axis("x", 0), axis("x", 1)
    ('x', 'x2')
    """
    return name if number == 0 else f"{name}{number + 1}"


class Grid(NamedTuple):
    """What the heat maps have in common: rows, columns, and the least and the largest value."""

    layers: int
    ranks: int
    scale: list[Any]


def side_by_side(pair: Sequence[str], grid: Grid, is_narrow: bool) -> dict[str, Any]:
    """A layout.

    Parameters
    ----------
    pair : sequence of str
        Names of what is shown.
    grid : Grid
    is_narrow : bool
    """
    height = min(max(grid.layers * ROW, LEAST_HEIGHT), MOST_HEIGHT)
    if is_narrow:
        height = height * len(pair) + BETWEEN * (len(pair) - 1)
    layout: dict[str, Any] = {
        "height": height + HEAD + FOOT,
        "margin": {"t": HEAD, "b": FOOT},
        "coloraxis": colour_scale(grid.scale, SCALE, is_narrow),
        "annotations": [],
    }
    between = BETWEEN / height if is_narrow else GAP
    for number, name in enumerate(pair):
        across, down = _domains(number, len(pair), between, is_narrow)
        layout |= _axes(number, grid, across, down)
        layout["annotations"].append(_heading(name, across[0], down[1]))
    if len(pair) > 1:
        inner = "xaxis" if is_narrow else "yaxis2"
        layout[inner]["title"] = {"text": ""}
    return layout


def _domains(
    number: int, of: int, between: float, is_narrow: bool
) -> tuple[list[float], list[float]]:
    """Where a heat map lies across and down, in parts of the figure."""
    size = (1 - between * (of - 1)) / of
    start = number * (size + between)
    if is_narrow:
        return [0.0, 1.0], [max(0.0, 1 - start - size), 1 - start]
    return [start, min(1.0, start + size)], [0.0, 1.0]


def _axes(
    number: int, grid: Grid, across: list[float], down: list[float]
) -> dict[str, Any]:
    """The axes of a heat map; zooming into one zooms into both."""
    ranks: dict[str, Any] = {
        "domain": across,
        "anchor": axis("y", number),
        "title": {"text": "rank"},
        "range": [-0.5, grid.ranks - 0.5],
        "showgrid": False,
        "zeroline": False,
    }
    layers = layer_axis(
        domain=down,
        anchor=axis("x", number),
        range=[grid.layers - 0.5, -0.5],
        showgrid=False,
    )
    if number:
        ranks["matches"] = "x"
        layers["matches"] = "y"
    return {axis("xaxis", number): ranks, axis("yaxis", number): layers}


def _heading(name: str, x: float, y: float) -> dict[str, Any]:
    return {
        "text": f"<b>{label(name)}</b>",
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
    }

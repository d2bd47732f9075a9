"""Recorded windows one by one: how uneven each is under every map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem.pool import Floats
from .content import Figure, Plot, Section
from .figures import (
    above_mean,
    categories,
    colour,
    colour_scale,
    label,
    layer_axis,
    rounded,
    styles_of,
)
from .study import Study, window_imbalance

MOST_POINTS = 800  # of a line; more windows are put together
MOST_COLUMNS = 300  # of a heat map
HEIGHT = 360
ROW = 7  # pixels of a layer
LEAST_HEIGHT = 150
MOST_HEIGHT = 540
HEAD = 62  # pixels above: the colour bar
FOOT = 48
TICK = 18  # pixels between labels of layers, at least
USUAL = 0.995  # of all windows and layers: what few are above has the brightest colour
LEAST_RANGE = 0.1  # percent: the scale of a map that is even in all windows
HOVER = (
    "layer %{y}, window %{x} %{text}<br>heaviest rank: <b>%{z:.2f} %</b> above the mean"
    "<extra></extra>"
)
SCALE = "heaviest rank above the mean"


def window_section(study: Study) -> Section | None:
    """Imbalance over windows; None where there is one window, or no map is known."""
    instance = study.instance
    if instance is None or instance.num_windows < 2 or not study.slots_of:
        return None
    per_map = {
        name: window_imbalance(slots, instance)
        for name, slots in study.slots_of.items()
    }
    figure = Figure(
        "windows",
        "Imbalance of every window",
        "Each recorded stretch of traffic by itself, in the order of the recording. A map for all of them cannot be "
        "even in every one. These windows were planned on: others will be less even (eplb-opt replay measures that).",
        {
            "mean over layers": _plot(study, per_map, "mean"),
            "worst layer": _plot(study, per_map, "max"),
        },
    )
    words = [
        f"The recording has {instance.num_windows} windows. What a step feels is the imbalance of its own window, not "
        "that of all windows added."
    ]
    return Section("Window by window", words, [figure, _layers_figure(study, per_map)])


def _layers_figure(study: Study, per_map: dict[str, Floats]) -> Figure:
    """Windows x layers of each map, the one to have first."""
    names = sorted(per_map, key=lambda name: name != study.after)
    compared = [name for name in names if name in (study.before, study.after)]
    usual = max(float(np.quantile(per_map[name], USUAL)) for name in compared or names)
    starts, _ = _together(per_map[names[0]], MOST_COLUMNS)
    labels = _labels(starts, study.windows)
    return Figure(
        "window-layers",
        "Imbalance of every window in every layer",
        "One row a layer, one column a window; the brighter, the longer the others wait for the heaviest rank there. "
        "Bright columns are traffic of another kind, bright rows layers that no map of all windows can serve.",
        {name: _heat(study, per_map[name], (usual - 1) * 100) for name in names},
        "map",
        {"labels": [labels] * len(study.layer_ids)},
    )


def _heat(study: Study, imbalance: Floats, highest: float) -> Plot:
    """Windows x layers of a map; many windows are put together."""
    rows = categories(study.layer_ids)
    starts, means = _together(imbalance, MOST_COLUMNS)
    heat = {
        "type": "heatmap",
        "z": rounded((means.T - 1) * 100, 2),
        "x": [str(start) for start in starts],
        "y": rows,
        "text": {"shared": "labels"},
        "coloraxis": "coloraxis",
        "hovertemplate": HOVER,
    }
    return {
        "data": [heat],
        "layout": _heat_layout(len(rows), highest),
        "narrow": _heat_layout(len(rows), highest, is_narrow=True),
    }


def _heat_layout(rows: int, highest: float, is_narrow: bool = False) -> dict[str, Any]:
    height = min(max(rows * ROW, LEAST_HEIGHT), MOST_HEIGHT)
    scale = colour_scale([0, max(highest, LEAST_RANGE)], SCALE, is_narrow)
    return {
        "height": height + HEAD + FOOT,
        "margin": {"t": HEAD, "b": FOOT},
        "coloraxis": scale,
        "xaxis": {"type": "category", "title": {"text": "window"}, "nticks": 16},
        "yaxis": layer_axis(range=[rows - 0.5, -0.5], showgrid=False)
        | {"nticks": height // TICK},
    }


def _together(values: Floats, most: int) -> tuple[list[int], Floats]:
    """Means of as many neighbouring windows as leave at most so many, and where each begins, [windows, ...]."""
    step = -(-len(values) // most)
    starts = np.arange(0, len(values), step)
    sizes = np.diff([*starts, len(values)])
    sums = np.add.reduceat(values, starts)
    means: Floats = sums / sizes.reshape(-1, *[1] * (values.ndim - 1))
    return starts.tolist(), means


def _labels(starts: list[int], windows: tuple[str, ...]) -> list[str]:
    return [label(windows[start]) if windows else "" for start in starts]


def _plot(study: Study, per_map: dict[str, Floats], of_layers: str) -> Plot:
    styles = styles_of([shown.name for shown in study.maps], study.after)
    data = []
    for name, imbalance in per_map.items():
        over_layers = getattr(imbalance, of_layers)(axis=1)
        data.append(_line(name, styles[name], over_layers, study.windows))
    layout: dict[str, Any] = {
        "height": HEIGHT,
        "hovermode": "x unified" if len(data[0]["x"]) < MOST_POINTS else "closest",
        "xaxis": {"title": {"text": "window"}},
        "yaxis": {"title": {"text": "above the mean, %"}, "rangemode": "tozero"},
    }
    return {"data": data, "layout": layout}


def _line(
    name: str, style: str, values: Floats, windows: tuple[str, ...]
) -> dict[str, Any]:
    starts, means = _together(values, MOST_POINTS)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label(name),
        "x": starts,
        "y": above_mean(means),
        "text": _labels(starts, windows),
        "line": {"color": colour(style), "width": 1.5},
        "hovertemplate": "<b>%{y:.2f} %</b> %{text}",
    }

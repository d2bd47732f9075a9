"""Each layer's imbalance by map, against the bound that no map can be below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .content import Figure, Plot, Section
from .figures import (
    SYMBOLS,
    above_mean,
    categories,
    colour,
    label,
    layer_axis,
    rounded,
    styles_of,
)
from .study import ShownMap, Study
from .tables import map_table

LEAST_GAP = 1e-6  # what is shown of a smaller one, on an axis that has no 0
FAR = (
    2.0  # a map so many times as far above the mean as the others is left out at first
)
HEIGHT = 380


def layer_section(study: Study) -> Section:
    """Maps side by side, layer by layer and over all layers."""
    figure = Figure(
        "layers",
        "Imbalance of every layer",
        "How far each layer's most loaded rank is above the mean of all ranks. No map whatsoever can be below the "
        "short lines: that is proven. Where a point sits on its line, nothing better exists.",
        _plots(study),
    )
    words = [
        "The lower, the less waiting. What is left above the proven bound is the most that any better map could gain."
    ]
    return Section("Every layer, every method", words, [figure, map_table(study)])


def _plots(study: Study) -> dict[str, Plot]:
    """On a linear scale without and with maps far above, and the gaps on a logarithmic one."""
    near = _near(study.maps)
    plots = {}
    if len(near) < len(study.maps):
        far = [label(shown.name) for shown in study.maps if shown not in near]
        plots[f"without {', '.join(far)}"] = _linear(near, study)
    plots["all maps"] = _linear(study.maps, study)
    plots["distance from the bound, logarithmic"] = _logarithmic(study)
    return plots


def _near(maps: Sequence[ShownMap]) -> list[ShownMap]:
    """The maps that are not so far above the others that these would look the same; at least two."""
    heights = sorted(float(shown.imbalance.max()) - 1 for shown in maps)
    if len(heights) < 3:
        return list(maps)
    limit = max(FAR * heights[-2], heights[1])
    return [shown for shown in maps if float(shown.imbalance.max()) - 1 <= limit]


def _linear(maps: Sequence[ShownMap], study: Study) -> Plot:
    rows = categories(study.layer_ids)
    data = [
        _points(shown, study, above_mean(shown.imbalance), "above the mean")
        for shown in maps
    ]
    data.append(_bounds(rows, above_mean(study.bound)))
    return {"data": data, "layout": _layout("above the mean, %", "tozero")}


def _logarithmic(study: Study) -> Plot:
    data = []
    for shown in study.maps:
        gaps = np.maximum(study.gaps(shown), LEAST_GAP) * 100
        data.append(_points(shown, study, rounded(gaps, 7), "above the bound"))
    layout = _layout("above the proven bound, %", "normal")
    layout["yaxis"] |= {"type": "log", "exponentformat": "none", "dtick": 1}
    return {"data": data, "layout": layout}


def _points(
    shown: ShownMap, study: Study, values: list[Any], what: str
) -> dict[str, Any]:
    names = [other.name for other in study.maps]
    style = styles_of(names, study.after)[shown.name]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(shown.name),
        "x": categories(study.layer_ids),
        "y": values,
        "line": {"color": colour(style), "width": 1.2},
        "marker": {"color": colour(style), "symbol": SYMBOLS[style], "size": 6},
        "hovertemplate": f"layer %{{x}}<br><b>%{{y:.4f}} %</b> {what}<extra>{label(shown.name)}</extra>",
    }


def _bounds(rows: list[str], values: list[Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "proven bound",
        "x": rows,
        "y": values,
        "marker": {
            "symbol": "line-ew",
            "size": 9,
            "line": {"color": "var(--text)", "width": 2},
        },
        "hovertemplate": "layer %{x}<br>no map is below <b>%{y:.4f} %</b><extra>proven bound</extra>",
    }


def _layout(title: str, range_mode: str) -> dict[str, Any]:
    return {
        "height": HEIGHT,
        "hovermode": "closest",
        "xaxis": layer_axis(),
        "yaxis": {"title": {"text": title}, "rangemode": range_mode},
    }

"""Recorded windows one by one: how uneven each is under every map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem.pool import Floats
from .content import Figure, Plot, Section
from .figures import above_mean, colour, label, styles_of
from .study import Study, window_imbalance

MOST_POINTS = 800  # of a line; more windows are put together
HEIGHT = 360


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
    return Section("Window by window", words, [figure])


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
    step = -(-len(values) // MOST_POINTS)
    starts = np.arange(0, len(values), step)
    sizes = np.diff([*starts, len(values)])
    means = np.add.reduceat(values, starts) / sizes
    labels = [label(windows[start]) if windows else "" for start in starts]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label(name),
        "x": starts.tolist(),
        "y": above_mean(means),
        "text": labels,
        "line": {"color": colour(style), "width": 1.5},
        "hovertemplate": "<b>%{y:.2f} %</b> %{text}",
    }

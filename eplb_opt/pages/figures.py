"""What figures share: the looks of maps, axes, and numbers as JSON takes them.

Colours are names of the style sheet, which has one of each for light and for dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

BEST = "best"
CONTIGUOUS = "contiguous"
GREEDY = "greedy"
IN_USE = "map in use"
NAMED = {CONTIGUOUS: "contiguous", GREEDY: "greedy", IN_USE: "in-use"}
OTHERS = 4  # colours of maps without one of their own
SYMBOLS = {
    "contiguous": "x-thin-open",
    "greedy": "square",
    "in-use": "diamond",
    "best": "circle",
    "1": "triangle-up",
    "2": "triangle-down",
    "3": "cross",
    "4": "star",
}
COLOURS = "Cividis"  # even in lightness, and the same to colour-blind eyes


def styles_of(names: Sequence[str], best: str) -> dict[str, str]:
    """The style of each name: those that are on many pages have the same one everywhere.

    Examples
    --------
    >>> styles_of(["greedy", "mine", "optimal"], best="optimal")
    {'greedy': 'greedy', 'mine': '1', 'optimal': 'best'}
    """
    styles = {}
    others = 0
    for name in names:
        if name == best:
            styles[name] = BEST
        elif name in NAMED:
            styles[name] = NAMED[name]
        else:
            styles[name] = str(others % OTHERS + 1)
            others += 1
    return styles


def colour(style: str) -> str:
    """The colour of a style, as the page's script finds it."""
    return f"var(--series-{style})"


def label(text: object) -> str:
    """A text as plotly.js shows it: no markup."""
    return escape(str(text), quote=False)


def categories(layer_ids: Sequence[int]) -> list[str]:
    """Layers as an axis has them: ids need not follow each other."""
    return [str(layer_id) for layer_id in layer_ids]


def layer_axis(**more: Any) -> dict[str, Any]:
    """An axis of layers."""
    return {"type": "category", "title": {"text": "layer"}, "nticks": 24, **more}


def colour_scale(ends: Sequence[float], title: str, is_narrow: bool) -> dict[str, Any]:
    """Colours of a heat map in percent, and the bar above it that says what they mean.

    Parameters
    ----------
    ends : (least, largest)
    title : str
        Left out on a narrow page.
    is_narrow : bool
    """
    return {
        "colorscale": COLOURS,
        "cmin": ends[0],
        "cmax": ends[1],
        "colorbar": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "len": 1 if is_narrow else 0.6,
            "thickness": 10,
            "ticksuffix": " %",
            "title": {
                "text": "" if is_narrow else title,
                "side": "right",
                "font": {"size": 12},
            },
        },
    }


def rounded(values: npt.ArrayLike, digits: int = 4) -> list[Any]:
    """Numbers as JSON has them, of few digits; what is not finite is null.

    Examples
    --------
    >>> rounded([1.23456789, math.inf], 2)
    [1.23, None]
    """
    return _finite(np.round(np.asarray(values, dtype=np.float64), digits).tolist())


def _finite(values: list[Any]) -> list[Any]:
    return [
        _finite(value)
        if isinstance(value, list)
        else (value if math.isfinite(value) else None)
        for value in values
    ]


def above_mean(imbalance: npt.ArrayLike) -> list[Any]:
    """How far above the mean, in percent."""
    return rounded((np.asarray(imbalance, dtype=np.float64) - 1) * 100, 5)

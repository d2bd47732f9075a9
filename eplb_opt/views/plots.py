"""Figures for papers, drawn by matplotlib into axes of the caller or new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..packages import require
from ..problem.pool import Floats

COLOURS = "cividis"  # even in lightness, and the same to colour-blind eyes
MAP = "#0072b2"
BOUND = "#1a2330"
WIDTH = 6.4  # inches
HEIGHT = 3.2


def axes_of(ax: Any, asker: str) -> Any:
    """The axes to draw into: those given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
    asker : str
        What needs matplotlib, for the error.

    Raises
    ------
    MissingPackageError
        matplotlib is not installed.
    """
    require(asker, "matplotlib.pyplot")
    if ax is not None:
        return ax
    from matplotlib import pyplot

    _, made = pyplot.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")
    return made


def draw_layers(
    ax: Any, layer_ids: Sequence[int], imbalance: Floats, bound: Floats, name: str
) -> None:
    """Each layer's imbalance and its bound.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    layer_ids : sequence of int
    imbalance, bound : array [layers]
        Heaviest over mean rank load, and what it is proven to be at least.
    name : str
        Of the map, in the legend.
    """
    ax.plot(layer_ids, imbalance, marker="o", markersize=3, color=MAP, label=name)
    ax.plot(layer_ids, bound, "_", color=BOUND, label="proven bound")
    ax.set_xlabel("layer")
    ax.set_ylabel("imbalance (heaviest / mean)")
    ax.legend(frameon=False)


def draw_ranks(ax: Any, layer_ids: Sequence[int], loads: Floats) -> None:
    """A heat map of layers and ranks.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    layer_ids : sequence of int
    loads : array [layers, ranks]
        Over the layer's mean.
    """
    image = ax.imshow(loads, aspect="auto", cmap=COLOURS, interpolation="nearest")
    step = max(1, len(layer_ids) // 10)
    ax.set_yticks(range(0, len(layer_ids), step), list(layer_ids[::step]))
    ax.set_xlabel("rank")
    ax.set_ylabel("layer")
    ax.figure.colorbar(image, ax=ax, label="load / mean of the layer")


def draw_windows(ax: Any, imbalance: Floats, name: str) -> None:
    """Each window's imbalance in the mean of layers, and the range of layers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    imbalance : array [windows, layers]
    name : str
        Of the map, in the legend.
    """
    windows = range(len(imbalance))
    least = imbalance.min(axis=1)
    most = imbalance.max(axis=1)
    ax.fill_between(windows, least, most, color=MAP, alpha=0.2, label="all layers")
    ax.plot(windows, imbalance.mean(axis=1), color=MAP, label=f"{name}, mean")
    ax.set_xlabel("window")
    ax.set_ylabel("imbalance (heaviest / mean)")
    ax.legend(frameon=False)

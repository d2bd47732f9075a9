"""Plots of the results, as small PNG files beside the README that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from .gaps import Line, by_case, methods
from .regimes import layers_of

FLOOR = 1e-3  # percent: gaps below are drawn there (OPTIMAL is 1e-2)
SHOWN = ("greedy", "refined", "vllm", "sglang-vec", "ascend-flashlb", "optimal")  # the others coincide with the greedy
MARKERS = "osD^vP"


def draw(quality: list[Line], speed: list[Line], folder: Path) -> dict[str, str]:
    """Draw everything that there are results for; file names by plot."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [m for m in methods(quality) if m in SHOWN]
    made = {
        "gap_by_slots": _gap_by_slots(quality, shown), "gap_by_skew": _gap_by_skew(quality),
        "gap_by_time": _gap_by_time(quality, shown),
    }  # fmt: skip
    if speed:
        made["speed"] = _speed(speed)
    for name, figure in made.items():
        figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)
    return {name: f"{folder.name}/{name}.png" for name in made}


def _gap_by_slots(lines: list[Line], shown: list[str]) -> Any:
    """Mean over layers as a point, the largest as a thin line up to it."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    found = layers_of(lines)
    slots = sorted({layer.slots for layer in found})
    for i, method in enumerate(shown):
        x = np.arange(len(slots)) + (i - (len(shown) - 1) / 2) * 0.12
        of_slots = [[100 * y.gap for y in found if y.method == method and y.slots == s] or [np.nan] for s in slots]
        mean = np.maximum([np.mean(g) for g in of_slots], FLOOR)
        most = np.maximum([np.max(g) for g in of_slots], FLOOR)
        axes.errorbar(x, mean, yerr=[np.zeros(len(x)), most - mean], fmt=MARKERS[i % 6], ms=5, lw=1, label=method)
    axes.set(yscale="log", xlabel="slots a rank", ylabel="gap to the certified bound, %",
             xticks=range(len(slots)), xticklabels=slots)  # fmt: skip
    axes.axhline(1e-2, color="grey", lw=0.8, ls=":")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=3)
    return figure


def _gap_by_skew(lines: list[Line]) -> Any:
    """Every layer of the published greedy."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    found = [layer for layer in layers_of(lines) if layer.method == "greedy"]
    slots = sorted({layer.slots for layer in found})
    for i, s in enumerate(slots):
        group = [layer for layer in found if layer.slots == s]
        axes.scatter([x.skew for x in group], [max(100 * x.gap, FLOOR) for x in group], s=12, marker=MARKERS[i % 6],
                     color=plt.get_cmap("viridis")(i / max(len(slots) - 1, 1)), label=f"{s}", alpha=0.7)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="hottest expert / mean expert load", ylabel="greedy's gap, %")
    axes.grid(alpha=0.3)
    axes.legend(title="slots a rank", fontsize=8, ncols=2)
    return figure


def _gap_by_time(lines: list[Line], shown: list[str]) -> Any:
    """One point a case and method: what a gap costs."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for i, method in enumerate(shown):
        points = [(found[method]["seconds"], max(100 * found[method]["gap_mean"], FLOOR))
                  for found in by_case(lines).values() if "gap_mean" in found.get(method, {})]  # fmt: skip
        if points:
            axes.scatter(*zip(*points, strict=True), s=18, marker=MARKERS[i % 6], label=method, alpha=0.8)
    axes.set(xscale="log", yscale="log", xlabel="seconds, all layers of a case", ylabel="mean gap, %")
    axes.axhline(1e-2, color="grey", lw=0.8, ls=":")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=3)
    return figure


def _speed(lines: list[Line]) -> Any:
    """Median call on one thread with its spread, by case."""
    threads = min(line["threads"] for line in lines)
    lines = [line for line in lines if "ms" in line and line["threads"] == threads and line["device"] == "cpu"]
    cases, shown = list(by_case(lines)), [m for m in methods(lines) if m in (*SHOWN, "sglang-deepseek")]
    figure, axes = plt.subplots(figsize=(8, 0.28 * len(cases) + 1.2), layout="constrained")
    for i, method in enumerate(shown):
        rows = {line["case"]: line for line in lines if line["method"] == method}
        y = [cases.index(case) for case in rows]
        median = [row["ms"] for row in rows.values()]
        spread = [
            [row["ms"] - row["ms_p10"] for row in rows.values()],
            [row["ms_p90"] - row["ms"] for row in rows.values()],
        ]
        axes.errorbar(median, y, xerr=spread, fmt=MARKERS[i % 6], ms=4, lw=0.8, label=method)
    axes.set(xscale="log", xlabel=f"ms a call, all layers, {threads} thread: median, p10 to p90",
             yticks=range(len(cases)), yticklabels=cases)  # fmt: skip
    axes.tick_params(axis="y", labelsize=7)
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside upper center", ncols=4)
    return figure

"""Gaps by regime: layers of all cases, grouped by slots a rank, skew, redundancy and mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .gaps import Line, by_case, markdown, methods


@dataclass(frozen=True)
class Layer:
    """One layer as one method placed it: the gap to its bound, and what kind of layer it is."""

    case: str
    method: str
    gap: float
    slots: int
    skew: float
    redundancy: float
    hierarchical: bool


def layers_of(lines: list[Line]) -> list[Layer]:
    """Every layer of every line that has a bound."""
    return [
        Layer(
            line["case"], line["method"], gap, line["num_replicas"] // line["num_ranks"], skew,
            line["num_replicas"] / line["num_experts"] - 1, line["mode"] == "hierarchical",
        )
        for line in lines if "gaps" in line
        for gap, skew in zip(line["gaps"], line["layer_skew"], strict=True)
    ]  # fmt: skip


def equal_to_greedy(lines: list[Line]) -> list[str]:
    """Peers with the greedy's mean imbalance (to 1e-6) in every case that they do."""
    cases = by_case(lines).values()
    peers = {line["method"] for line in lines if line["kind"] == "peer"}
    found = []
    for peer in (m for m in methods(lines) if m in peers):
        both = [(case["greedy"], case[peer]) for case in cases if "imbalance_mean" in case.get(peer, {})]
        if both and all(abs(a["imbalance_mean"] - b["imbalance_mean"]) < 1e-6 for a, b in both):
            found.append(peer)
    return found


def slots(layer: Layer) -> str:
    """Slots a rank."""
    return f"{layer.slots}"


def skew(layer: Layer) -> str:
    """Hottest expert over mean expert load."""
    bounds = (1.5, 2, 4, 8)
    i = int(np.searchsorted(bounds, layer.skew, side="right"))
    return ("below 1.5", "1.5 to 2", "2 to 4", "4 to 8", "8 and more")[i]


def redundancy(layer: Layer) -> str:
    """Redundant replicas as a share of the experts."""
    share = layer.redundancy
    return "none" if share == 0 else "up to 15 %" if share <= 0.15 else "15 to 30 %" if share <= 0.3 else "over 30 %"


def mode(layer: Layer) -> str:
    """Global or hierarchical."""
    return "hierarchical" if layer.hierarchical else "global"


ORDERS = {
    skew: ("below 1.5", "1.5 to 2", "2 to 4", "4 to 8", "8 and more"),
    redundancy: ("none", "up to 15 %", "15 to 30 %", "over 30 %"),
    mode: ("global", "hierarchical"),
}


def regime_table(lines: list[Line], regime: Callable[[Layer], str], name: str) -> str:
    """Gap in percent, mean / largest over the layers of each regime; peers that equal the greedy have no column."""
    found = layers_of(lines)
    columns = [method for method in methods(lines) if method not in equal_to_greedy(lines)]
    labels = ORDERS.get(regime) or sorted({regime(layer) for layer in found}, key=int)
    rows = [[name, "layers", *columns]]
    for label in labels:
        inside = [layer for layer in found if regime(layer) == label]
        if inside:
            most = max(sum(layer.method == m for layer in inside) for m in columns)
            rows.append([label, str(most), *(_gaps([x.gap for x in inside if x.method == m], most) for m in columns)])
    return markdown(rows)


def _gaps(gaps: list[float], most: int) -> str:
    if not gaps:
        return "n/a"
    digits = 4 if max(gaps) < 1e-3 else 2
    part = "" if len(gaps) == most else f" ({len(gaps)})"
    return f"{np.mean(gaps) * 100:.{digits}f} / {max(gaps) * 100:.{digits}f}{part}"

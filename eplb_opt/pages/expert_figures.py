"""The hottest experts of a layer, and how many replicas each map gives them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from .content import Figure, Plot, Section
from .figures import SYMBOLS, colour, label, rounded, styles_of
from .study import Study, replica_counts

SHOWN = 24  # experts
HEIGHT = 430


def expert_section(study: Study) -> Section | None:
    """Loads and replicas of the hottest experts, of a layer that is chosen; None where no load is known."""
    instance = study.instance
    if instance is None:
        return None
    counts = {
        name: replica_counts(slots, instance.num_experts)
        for name, slots in study.slots_of.items()
        if name in (study.before, study.after)
    }
    first = int(study.map_named(study.before).imbalance.argmax())
    layers = sorted(range(instance.num_layers), key=lambda layer: layer != first)
    figure = Figure(
        "experts",
        "The hottest experts of a layer",
        "Above: the tokens of each expert, in percent of what one rank carries if all carry the same; an expert above "
        "100 % does not fit on any rank without a replica elsewhere. Below: how many replicas share them.",
        {
            f"layer {study.layer_ids[layer]}": _plot(study, instance, counts, layer)
            for layer in layers
        },
        choice="layer",
    )
    skew = _skew(instance.weight)
    words = [
        "The router sends far more tokens to some experts than to others: here the hottest expert of a layer gets "
        f"{skew.mean():.1f} times the mean in the mean of layers, {skew.max():.1f} times in the most uneven one. "
        "Spare slots hold further replicas of hot experts, which share their tokens."
    ]
    return Section("Hot experts", words, [figure])


def _skew(weight: Floats) -> Floats:
    """The hottest expert over the mean of all, [layers]."""
    mean = weight.mean(axis=1)
    hottest = weight.max(axis=1)
    skew: Floats = np.divide(hottest, mean, out=np.ones_like(mean), where=mean > 0)
    return skew


def _plot(
    study: Study, instance: Instance, counts: dict[str, Ints], layer: int
) -> Plot:
    loads = instance.weight[layer]
    hottest = np.argsort(-loads, kind="stable")[:SHOWN]
    names = [str(expert) for expert in hottest]
    of_rank = float(loads.sum()) / instance.total_speed or 1.0
    shares = rounded(loads[hottest] / of_rank * 100, 3)
    data: list[dict[str, Any]] = [_bars(names, shares)]
    styles = styles_of([shown.name for shown in study.maps], study.after)
    for name, of_map in counts.items():
        replicas = of_map[layer, hottest].tolist()
        data.append(_replicas(name, styles[name], names, replicas))
    most = max((int(of_map[layer].max()) for of_map in counts.values()), default=1)
    return {"data": data, "layout": _layout(most)}


def _bars(experts: list[str], shares: list[Any]) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": "tokens",
        "x": experts,
        "y": shares,
        "marker": {"color": colour("contiguous")},
        "showlegend": False,
        "hovertemplate": "expert %{x}<br><b>%{y:.1f} %</b> of an even rank's load<extra></extra>",
    }


def _replicas(
    name: str, style: str, experts: list[str], replicas: list[int]
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(name),
        "x": experts,
        "y": replicas,
        "yaxis": "y2",
        "line": {"color": colour(style), "width": 1.2, "shape": "hvh"},
        "marker": {"color": colour(style), "symbol": SYMBOLS[style], "size": 7},
        "hovertemplate": f"expert %{{x}}<br><b>%{{y}}</b> replicas<extra>{label(name)}</extra>",
    }


def _layout(most: int) -> dict[str, Any]:
    return {
        "height": HEIGHT,
        "xaxis": {
            "type": "category",
            "title": {"text": "expert, the hottest first"},
            "anchor": "y2",
        },
        "yaxis": {
            "title": {"text": "of a rank, %"},
            "domain": [0.46, 1],
            "rangemode": "tozero",
        },
        "yaxis2": {
            "title": {"text": "replicas"},
            "domain": [0, 0.38],
            "rangemode": "tozero",
            "dtick": max(1, most // 5),
        },
    }

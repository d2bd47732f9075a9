"""Heat maps of layers and ranks: who carries how much before and after."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from .content import Figure, Plot, Section
from .figures import categories, rounded
from .side_by_side import Grid, axis, side_by_side
from .study import Study, rank_loads

LEAST_MARKED = 0.005  # above the mean: a layer's heaviest rank is marked from here on
LEAST_RANGE = 0.01  # percent: the scale of maps that are quite even
EXPERTS_A_LINE = 10
CAPTION = (
    "One row a layer, one column a rank (GPU); the brighter, the more tokens. A white dot marks the rank that all "
    "others of its layer wait for, where it is at least half a percent above the mean. The more even, the better."
)
HOVER = (
    "layer %{y}, rank %{x}<br><b>%{z:+.2f} %</b> against the mean<br>"
    "experts %{text}<extra></extra>"
)


def rank_section(study: Study) -> Section | None:
    """Layers x ranks of two maps side by side; None where no map or no load is known."""
    instance = study.instance
    if instance is None or not study.slots_of:
        return None
    loads = {name: _loads(slots, instance) for name, slots in study.slots_of.items()}
    shared: dict[str, list[Any]] = {}
    for name, slots in study.slots_of.items():
        shared[f"loads {name}"] = rounded((loads[name] - 1) * 100, 2)
        shared[f"experts {name}"] = _experts(slots)
    pairs = _pairs(study)
    plots = {" and ".join(pair): _plot(pair, study, loads) for pair in pairs}
    title = "Load of every rank in every layer"
    if not instance.objective.adds_windows:
        title += ", in its worst window"
    caption = CAPTION
    if study.is_timed or instance.unequal is not None:
        title = title.replace("Load", "Time")
        caption = CAPTION.replace("the more tokens", "the longer it takes")
    figure = Figure("ranks", title, caption, plots, "maps", shared)
    return Section("Who waits for whom", list(_words(instance)), [figure])


def _words(instance: Instance) -> list[str]:
    words = [
        "A layer is finished when its most loaded rank is. Ranks that are brighter than the rest of their row hold up "
        "all others."
    ]
    if instance.objective.timed_by is not None:
        words.append("Ranks are shown by their time, as the cost of replicas gives it.")
    if instance.unequal is not None:
        words.append(
            "Ranks are unequal: what a rank has to do is over its speed, and the mean is all that is to be done over "
            f"all speeds ({instance.unequal.describe()}). A rank without slots takes nothing."
        )
    windows = instance.num_windows
    if not instance.objective.adds_windows:
        words.append(
            f"Of the {windows} recorded windows each rank is shown in the one in which it is heaviest."
        )
    elif windows > 1:
        words.append(
            f"Loads are added over the {windows} recorded windows here; single windows are less even."
        )
    return words


def _loads(slots: Ints, instance: Instance) -> Floats:
    """Load of each rank over the mean, [layers, ranks]: of the sum of windows, or in each rank's worst one."""
    cost = instance.objective.timed_by
    ranks = instance.unequal
    if instance.objective.adds_windows:
        return rank_loads(slots, instance.step_weight, cost, ranks)
    loads = instance.load
    if cost is not None:
        loads = instance.objective.step_loads(loads)
    worst = rank_loads(slots, loads[0], cost, ranks)
    for window in loads[1:]:
        np.maximum(worst, rank_loads(slots, window, cost, ranks), out=worst)
    return worst


def _pairs(study: Study) -> list[list[str]]:
    """Names of the maps that are shown side by side, the usual pair first."""
    others = [name for name in study.slots_of if name != study.after]
    others.sort(key=lambda name: name != study.before)
    if study.after not in study.slots_of:
        return [[name] for name in others]
    return [[name, study.after] for name in others] or [[study.after]]


def _plot(pair: Sequence[str], study: Study, loads: dict[str, Floats]) -> Plot:
    rows = categories(study.layer_ids)
    data: list[dict[str, Any]] = []
    for number, name in enumerate(pair):
        data.append(_heat(name, rows, number))
        data.append(_marks(loads[name], rows, number))
    shown = [loads[name] for name in pair]
    ranks = max(of_map.shape[1] for of_map in shown)
    grid = Grid(len(rows), ranks, _scale(shown))
    return {
        "data": data,
        "layout": side_by_side(pair, grid, is_narrow=False),
        "narrow": side_by_side(pair, grid, is_narrow=True),
    }


def _scale(all_loads: Sequence[Floats]) -> list[Any]:
    """Least and largest load in percent above the mean; ranks that idle must not hide the differences of the others."""
    high = max(float(loads.max()) for loads in all_loads) - 1
    low = min(float(loads.min()) for loads in all_loads) - 1
    high = max(high * 100, LEAST_RANGE)
    return rounded([max(low * 100, -high), high], 3)


def _heat(name: str, rows: list[str], number: int) -> dict[str, Any]:
    return {
        "type": "heatmap",
        "z": {"shared": f"loads {name}"},
        "y": rows,
        "text": {"shared": f"experts {name}"},
        "hovertemplate": HOVER,
        "coloraxis": "coloraxis",
        "xaxis": axis("x", number),
        "yaxis": axis("y", number),
    }


def _experts(slots: Ints) -> list[list[str]]:
    """The experts of every rank, as text."""
    return [[_held(rank) for rank in layer] for layer in slots.tolist()]


def _held(experts: Sequence[int]) -> str:
    """The experts of a rank, in lines that fit beside a picture."""
    held = sorted(expert for expert in experts if expert >= 0)
    starts = [*range(0, len(held), EXPERTS_A_LINE), len(held)]
    lines = [", ".join(map(str, held[a:b])) for a, b in pairwise(starts)]
    return "<br>".join(lines) or "none"


def _marks(loads: Floats, rows: list[str], number: int) -> dict[str, Any]:
    """A dot on the heaviest rank of each layer that is not even."""
    heaviest = loads.argmax(axis=1)
    is_marked = np.flatnonzero(loads.max(axis=1) - 1 >= LEAST_MARKED)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": heaviest[is_marked].tolist(),
        "y": [rows[layer] for layer in is_marked],
        "marker": {
            "size": 5,
            "color": "#ffffff",
            "line": {"color": "#000000", "width": 1},
        },
        "hoverinfo": "skip",
        "showlegend": False,
        "xaxis": axis("x", number),
        "yaxis": axis("y", number),
    }

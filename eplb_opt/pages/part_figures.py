"""What an imbalance is made of: the map's part, what windows add that differ, and sampling in steps of finite size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .content import Figure, Plot, Section
from .figures import colour, label, rounded
from .study import ShownMap, Study, rank_loads, window_imbalance
from .words import listed, percentage

HEIGHT = 380
COLOURS = {"map": "best", "drift": "greedy", "sampling": "contiguous"}
Parts = Mapping[str, float]
IN_SUM = "Map: what it leaves in the sum of all windows. "
DRIFT = "Drift: what is added because each window is other traffic than their sum. "


def stacked(names: Sequence[str], parts: Sequence[Parts]) -> Plot:
    """Bars of parts, one on the other.

    Parameters
    ----------
    names : sequence of str
        Of the bars.
    parts : sequence of mappings from ``map``, ``drift``, ``sampling`` to a share
        Of the mean rank load, above it; a part that no bar has is left out.
    """
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": part,
            "x": [label(name) for name in names],
            "y": rounded([row.get(part, 0.0) * 100 for row in parts], 4),
            "marker": {"color": colour(style)},
            "hovertemplate": f"%{{x}}<br>{part}: <b>%{{y:.2f}} %</b><extra></extra>",
        }
        for part, style in COLOURS.items()
        if any(part in row for row in parts)
    ]
    layout = {
        "height": HEIGHT,
        "barmode": "relative",
        "xaxis": {"type": "category"},
        "yaxis": {"title": {"text": "above the mean, %"}},
    }
    return {"data": data, "layout": layout}


def sampling_caption(tokens_per_step: int) -> str:
    """What is said of the part of sampling."""
    return f"Sampling: what steps of {tokens_per_step} tokens add by chance, which no map can avoid."


def part_section(study: Study) -> Section | None:
    """The parts of each map; None where there is one part only, or ranks are judged by their time."""
    parts = {shown.name: _parts(shown, study) for shown in study.maps}
    parts = {name: row for name, row in parts.items() if len(row) > 1}
    if study.is_timed or study.after not in parts:
        return None
    after = parts[study.after]
    caption = (
        IN_SUM + DRIFT if "drift" in after else "Map: what it leaves in the loads. "
    )
    if study.tokens_per_step is not None and "sampling" in after:
        caption += sampling_caption(study.tokens_per_step)
    figure = Figure(
        "parts",
        "What the imbalance of each map is made of",
        caption,
        {"parts": stacked(list(parts), list(parts.values()))},
    )
    return Section(listed(list(after)).capitalize(), [_words(study, after)], [figure])


def _words(study: Study, after: Parts) -> str:
    """What the map to have is above the mean, and what of it can go away."""
    said = ", ".join(f"{name} {percentage(value)}" for name, value in after.items())
    drift = ", and of drift what planning window by window reaches"
    less = f"A better map can take away its own part{drift if 'drift' in after else ''}"
    stays = "; sampling stays" if "sampling" in after else ""
    return (
        f"Heaviest rank of the new map ({study.after}) above the mean, in the mean of layers: {said}. "
        f"{less}{stays}."
    )


def _parts(shown: ShownMap, study: Study) -> dict[str, float]:
    """The parts that are known of a map, as shares of the mean rank load."""
    instance = study.instance
    found = {"map": float(shown.imbalance.mean()) - 1}
    if instance is not None and shown.slots is not None and instance.num_windows > 1:
        whole = rank_loads(shown.slots, instance.load.sum(axis=0)).max(axis=1)
        found["map"] = float(whole.mean()) - 1
        windows = float(window_imbalance(shown.slots, instance).mean())
        found["drift"] = windows - float(whole.mean())
    if shown.sampling is not None:
        found["sampling"] = float(shown.sampling["sampling"])
    return found

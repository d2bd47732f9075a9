"""Where engines start without EPLB: the experts in order, whatever the loads are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def contiguous_imbalance(instance: Any) -> float:
    """Heaviest over mean rank load without EPLB, in the mean over layers; 1 where nothing was routed."""
    from ..replayer.players import contiguous
    from ..report.gap import imbalances

    placement = contiguous(instance)
    means = placement.mean_ranks(instance)
    return float(imbalances(placement.objective(instance), means).mean())


def contiguous_time(instance: Any) -> float:
    """The slowest ranks' time without EPLB, all layers together, of an instance whose objective is a time."""
    from ..replayer.players import contiguous

    return float(contiguous(instance).objective(instance).sum())


def baseline_of(instance: Any) -> dict[str, Any]:
    """What there is without EPLB, as `worth_of` takes it: JSON types.

    Parameters
    ----------
    instance : Instance
    """
    objective = instance.objective
    is_timed = objective.timed_by is not None
    if is_timed and objective.adds_windows:
        unit = objective.cost.unit
        return {"is_timed": True, "unit": unit, "value": contiguous_time(instance)}
    return {
        "is_timed": is_timed,
        "unit": None,
        "value": contiguous_imbalance(instance),
    }


def worth_of(report: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """What a map is worth where there was no EPLB, in a line.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    baseline : mapping
        Of `baseline_of`.
    """
    from ..report.worth import baseline_line, imbalance_line, time_line

    if baseline["unit"] is not None:
        time = sum(layer["objective"] for layer in report["layers"])
        return time_line(time, baseline["value"], baseline["unit"])
    line = imbalance_line if baseline["is_timed"] else baseline_line
    return line(report["totals"]["imbalance_mean"], baseline["value"])

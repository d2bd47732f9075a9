"""Studies of what commands found: of a report, of methods that were compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import FormatError
from ..limits import Limits
from ..moves.held import slots_in_use
from ..moves.worth import imbalance_of, own_slots
from ..problem.cost import TOKENS
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats
from ..problem.status import agrees
from ..replayer.players import contiguous
from .figures import CONTIGUOUS, GREEDY, IN_USE
from .study import ShownMap, Study, rank_loads

Report = Mapping[str, Any]


def study_of_report(
    report: Report,
    instance: Instance | None = None,
    placement: Placement | None = None,
    previous: Placement | None = None,
    windows: Sequence[str] = (),
) -> Study:
    """The study of one method's map.

    Parameters
    ----------
    report : mapping
        Of `Result.to_dict`.
    instance : Instance, optional
        With it there are maps to compare with, and loads to show.
    placement : Placement, optional
        The report's map, of the instance.
    previous : Placement, optional
        The map in use.
    windows : sequence of str
        Labels.

    Returns
    -------
    Study

    Raises
    ------
    FormatError
        The map is another one than the report's.
    """
    layers = report["layers"]
    imbalance = np.array([layer["imbalance"] for layer in layers], dtype=np.float64)
    after = ShownMap(report["method"], imbalance, seconds=report["totals"]["seconds"])
    others: list[ShownMap] = []
    if instance is not None:
        unit = _unit_of(layers, instance)
        if placement is not None:
            after = shown_map(after.name, placement, instance, unit, after.seconds)
            _check_same(after.imbalance, imbalance)
        others = baselines(instance, unit, [after.name])
        if previous is not None:
            failed = (report.get("previous") or {}).get("failed_ranks", ())
            others.append(map_in_use(previous, instance, failed))
    maps = (*others, after)
    return Study(
        _description(report) if instance is None else instance.describe(),
        tuple(layer["layer_id"] for layer in layers),
        _bounds(layers, imbalance),
        tuple(layer["bound_method"] for layer in layers),
        max(layer.get("gap_limit", Limits.gap) for layer in layers),
        maps,
        before=_before(maps, after.name),
        after=after.name,
        instance=instance,
        windows=tuple(windows),
        layers=layers,
        slots=report["num_replicas"] * len(layers),
        notes=report.get("notes", ()),
        **_time_of_report(report),
    )


def _time_of_report(report: Report) -> dict[str, Any]:
    """What a study of a report says of time."""
    objective = report.get("objective") or {}
    return _time_of(
        _has_times(objective), objective.get("across") == "sum", report["method"]
    )


def _time_of_methods(found: Report, unit: Floats, name: str) -> dict[str, Any]:
    """What a study of methods says of time; older files name a cost in their first line only."""
    if "objective" in found:
        is_timed = _has_times(found["objective"])
    else:
        _, has_cost, said = found["instance"].rpartition("; cost: ")
        is_timed = bool(has_cost) and not said.startswith(TOKENS)
    return _time_of(is_timed, not np.allclose(unit, 1.0), name)


def _has_times(objective: Report) -> bool:
    """Whether an objective, as reports have it, is in time."""
    cost = objective.get("cost")
    return isinstance(cost, Mapping) and cost.get("kind", TOKENS) != TOKENS


def _time_of(is_timed: bool, is_absolute: bool, name: str) -> dict[str, Any]:
    """What a study says of time: rank times have another mean in each map, so imbalances are over that of one."""
    if not is_timed or not is_absolute:
        return {"is_timed": is_timed}
    return {"is_timed": True, "mean": f"the mean rank time of {name}"}


def _unit_of(layers: Sequence[Report], instance: Instance) -> Floats:
    """What objectives are over, [layers]: the mean rank load; in time that of the report's map, for all maps."""
    if instance.objective.timed_by is None:
        return instance.mean
    objective = np.array([layer["objective"] for layer in layers], dtype=np.float64)
    imbalance = np.array([layer["imbalance"] for layer in layers], dtype=np.float64)
    return objective / np.maximum(imbalance, 1.0)


def _bounds(layers: Sequence[Report], imbalance: Floats) -> Floats:
    """Bounds as imbalances, [layers]; of a layer without tokens 1."""
    objective = np.array([layer["objective"] for layer in layers], dtype=np.float64)
    bound = np.array([layer["lower_bound"] for layer in layers], dtype=np.float64)
    share = np.divide(bound, objective, out=np.ones_like(bound), where=objective > 0)
    return share * imbalance


def _check_same(found: Floats, said: Floats) -> None:
    pairs = zip(found.tolist(), said.tolist(), strict=True)
    if not all(agrees(value, other) for value, other in pairs):
        raise FormatError(
            f"the map is not that of the report: its mean imbalance is {found.mean():.5f}, the report says "
            f"{said.mean():.5f}: give the map that was written with the report, and its loads"
        )


def _description(report: Report) -> str:
    nodes = report["num_nodes"]
    place = f"{report['num_ranks']} ranks" + (f" on {nodes} nodes" if nodes > 1 else "")
    return f"{len(report['layers'])} layers, {report['num_replicas']} replicas, {place}: {report['mode']} mode"


def study_of_methods(
    found: Report,
    instance: Instance | None = None,
    placements: Mapping[str, Placement] | None = None,
    windows: Sequence[str] = (),
) -> Study:
    """The study of methods, policies and maps side by side.

    Parameters
    ----------
    found : mapping
        What ``gap --json`` writes.
    instance : Instance, optional
    placements : mapping from the name of a method to its placement, optional
    windows : sequence of str
        Labels.

    Returns
    -------
    Study
    """
    placed = placements or {}
    row = min(found["methods"], key=lambda row: float(np.mean(row["layer_objective"])))
    unit = _unit(row)
    maps = [
        _of_row(row, placed.get(row["method"]), instance, unit)
        for row in found["methods"]
    ]
    if instance is not None:
        maps = baselines(instance, unit, [shown.name for shown in maps]) + maps
    after = min(maps, key=lambda shown: float(shown.imbalance.mean())).name
    bound = np.array(found["lower_bound"]) / unit
    return Study(
        found["instance"],
        tuple(found["layer_ids"]),
        bound,
        tuple(found["bound_method"]),
        found.get("gap_limit", Limits.gap),
        tuple(maps),
        before=_before(maps, after),
        after=after,
        instance=instance,
        windows=tuple(windows),
        notes=found["notes"],
        tokens_per_step=found.get("tokens_per_step"),
        **_time_of_methods(found, unit, row["method"]),
    )


def _of_row(
    row: Report, placement: Placement | None, instance: Instance | None, unit: Floats
) -> ShownMap:
    imbalance = _over(np.array(row["layer_objective"], dtype=np.float64), unit)
    if placement is None or instance is None:
        shown = ShownMap(row["method"], imbalance, seconds=row["seconds"])
    else:
        shown = shown_map(row["method"], placement, instance, unit, row["seconds"])
    return replace(shown, sampling=row.get("sampling"))


def _unit(row: Report) -> Floats:
    """What objectives are over to be imbalances, [layers]; 1 in a layer without tokens."""
    objective = np.array(row["layer_objective"], dtype=np.float64)
    imbalance = np.array(row["layer_imbalance"], dtype=np.float64)
    is_known = (objective > 0) & (imbalance > 0)
    ones = np.ones_like(objective)
    return np.divide(objective, imbalance, out=ones, where=is_known)


def _over(objective: Floats, unit: Floats) -> Floats:
    """Objectives as imbalances, [layers]; 1 in a layer without tokens."""
    is_loaded = (unit > 0) & (objective > 0)
    return np.divide(objective, unit, out=np.ones_like(objective), where=is_loaded)


def shown_map(
    name: str,
    placement: Placement,
    instance: Instance,
    unit: Floats,
    seconds: float | None = None,
) -> ShownMap:
    """A valid map of the instance; ``unit`` [layers] is what objectives are over."""
    slots = instance.by_rank(placement.phy2log)
    imbalance = _over(placement.objective(instance), unit)
    return ShownMap(name, imbalance, slots, seconds)


def map_in_use(
    previous: Placement,
    instance: Instance,
    failed_ranks: Sequence[int] = (),
) -> ShownMap:
    """The map in use; if an expert has no replica on ranks that are left, its imbalance is that of the others."""
    slots = own_slots(previous, instance)
    if failed_ranks:
        slots = slots_in_use(previous, instance, failed_ranks)
    imbalance = imbalance_of(slots, instance)
    of_others = rank_loads(slots, instance.weight).max(axis=1)
    is_whole = np.isfinite(imbalance)
    return ShownMap(IN_USE, np.where(is_whole, imbalance, of_others), slots)


def baselines(instance: Instance, unit: Floats, known: Sequence[str]) -> list[ShownMap]:
    """Maps that everybody knows, of those that are valid and not known yet."""
    from ..heuristics.greedy import greedy

    found = []
    for name, place in ((CONTIGUOUS, contiguous), (GREEDY, greedy)):
        if name in known:
            continue
        placement = place(instance)
        if not placement.violations(instance):
            found.append(shown_map(name, placement, instance, unit))
    return found


def _before(maps: Sequence[ShownMap], after: str) -> str:
    """The map to start from: that in use, one that was given, the greedy, or any other."""
    names = [shown.name for shown in maps if shown.name != after]
    given = [name for name in names if name.startswith("map ")]
    usual = [name for name in (IN_USE, *given, GREEDY) if name in names]
    return next(iter([*usual, *names]), after)

"""What must follow from the loads and a report's own figures: head, gaps, imbalances, status and totals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..certificates.layer import MILESTONES, LayerCertificate, totals_of
from ..errors import FormatError
from ..problem.instance import Instance
from ..problem.status import Status, StopReason, agrees, relative_gap
from ..strict import shown
from .digest import loads_digest
from .reading import Fields

OF_INSTANCE = (
    "mode",
    "num_experts",
    "num_replicas",
    "num_ranks",
    "num_nodes",
    "num_groups",
    "distinct",
)


def head_faults(
    instance: Instance, head: Fields, layers: Sequence[Fields]
) -> list[str]:
    """What the report's head says against the loads, the topology and its own layers."""
    faults = _loads_faults(instance, head)
    for name in OF_INSTANCE:
        true = getattr(instance, name)
        if head.get(name, true) != true:
            faults.append(f"{name} {shown(head[name])} instead of {shown(true)}")
    faults += _rank_faults(instance, head)
    true_objective = instance.objective.to_dict()
    claimed_objective = head.get("objective", true_objective)
    if claimed_objective != true_objective:
        faults.append(
            f"objective {shown(claimed_objective)} instead of {shown(true_objective)}"
        )
    faults += _limit_faults(head, layers)
    return faults + _move_faults(head, layers)


def of_ranks(instance: Instance) -> dict[str, list[float]]:
    """What a report says of unequal ranks, by key; nothing of ranks that are alike."""
    stated = {"rank_speeds": instance.rank_speeds, "rank_slots": instance.rank_slots}
    return {name: list(values) for name, values in stated.items() if values is not None}


def _rank_faults(instance: Instance, head: Fields) -> list[str]:
    """Whether speeds and slots of the ranks are those of the report."""
    true = of_ranks(instance)
    return [
        f"{name} {shown(head.get(name))} instead of {shown(true.get(name))}"
        for name in ("rank_speeds", "rank_slots")
        if head.get(name) != true.get(name)
    ]


def _loads_faults(instance: Instance, head: Fields) -> list[str]:
    """Whether the report is of these loads, where it says of which."""
    if "loads_sha256" not in head:
        return []
    claimed = head["loads_sha256"]
    digest = loads_digest(instance.load)
    if claimed == digest:
        return []
    return [f"the report is of other loads: their SHA-256 is {claimed}, not {digest}"]


def _limit_faults(head: Fields, layers: Sequence[Fields]) -> list[str]:
    """Whether all layers have the head's gap limit, where it says one."""
    if "limits" not in head:
        return []
    limit = head["limits"]["gap"]
    others = [fields["layer_id"] for fields in layers if fields["gap_limit"] != limit]
    if not others:
        return []
    return [f"a gap limit of {limit}, but of layer {others[0]} another one"]


def _move_faults(head: Fields, layers: Sequence[Fields]) -> list[str]:
    """Whether all layers say what moves, or none, as there is a map in use or not."""
    has_map = head.get("previous") is not None
    for fields in layers:
        moves = fields.get("moves")
        bound = fields.get("moves_bound")
        if (moves is not None) != has_map or (bound is not None) != has_map:
            but = "there is" if has_map else "there is no"
            return [
                f"layer {fields['layer_id']}: moves {moves}, at least {bound}, but {but} a map in use"
            ]
        if moves is not None and bound is not None and bound > moves:
            return [
                f"layer {fields['layer_id']}: {moves} moves, fewer than the bound {bound}"
            ]
    return []


def derived_faults(mean: float, fields: Fields) -> list[str]:
    """What does not follow from the report's own objective and bound, beside gap and status.

    Parameters
    ----------
    mean : float
        Mean rank load of the layer in tokens, or with a cost its mean rank time; NaN: not known, nothing follows.
    fields : mapping
        What the report says of the layer.
    """
    objective = fields["objective"]
    faults = _stop_faults(fields)
    if math.isnan(mean):
        return faults
    imbalance = objective / mean if objective > 0 and mean > 0 else 1.0
    for name, true in (("imbalance", imbalance), ("balancedness", 1 / imbalance)):
        claimed = fields.get(name, true)
        if not agrees(claimed, true):
            faults.append(f"{name} {claimed}, the objective gives {true}")
    gap = relative_gap(objective, fields["lower_bound"])
    return faults + _time_faults(fields.get("gap", gap), fields)


def _stop_faults(fields: Fields) -> list[str]:
    """What a report says of why the method stopped, against the status."""
    if "status" not in fields:
        return []
    if "gap_limit" not in fields:
        raise FormatError(
            f"layer {fields['layer_id']}: a status, but no 'gap_limit' that it is meant for"
        )
    stop = fields.get("stop", StopReason.GAP)
    is_known = stop in (StopReason.GAP, StopReason.FAILED)
    if fields["status"] is Status.OPTIMAL and not is_known:
        return [f"OPTIMAL, but stopped by: {stop}"]
    return []


def _time_faults(gap: float, fields: Fields) -> list[str]:
    """What the times say that are after milestones."""
    times = fields.get("reached", ())
    faults = []
    for milestone, time in zip(MILESTONES, times, strict=False):
        if time is not None and gap > milestone:
            faults.append(
                f"a gap of {milestone} reached after {time} s, but the gap is {gap}"
            )
    known = [time for time in times if time is not None]
    first_ones = times[: len(known)]
    if known != sorted(known) or None in first_ones:
        faults.append("a smaller gap reached before a larger one")
    return faults


def totals_faults(layers: Sequence[Fields], totals: Fields) -> list[str]:
    """What does not follow from the report's own layers."""
    names = LayerCertificate.__dataclass_fields__
    certificates = [
        LayerCertificate(**{name: fields[name] for name in names if name in fields})
        for fields in layers
    ]
    true = totals_of(certificates, totals["seconds"], totals["compile_seconds"])
    faults = []
    for name, value in true.items():
        if name not in totals:  # the schema had it later
            continue
        claimed = totals[name]
        is_figure = isinstance(value, float) and math.isfinite(value)
        is_same = agrees(claimed, value) if is_figure else claimed == value
        if not is_same:
            faults.append(f"totals: {name} {shown(claimed)} instead of {shown(value)}")
    return faults

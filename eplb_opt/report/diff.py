"""From one map to another: what moves, what that costs and gains, as ``eplb-opt diff --json`` writes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..moves.cost import LayerCost, move_costs
from ..moves.links import Busiest, Links
from ..moves.schedule import Schedule, Step, schedule_moves
from ..moves.traffic import MoveLimits
from ..moves.worth import imbalance_of, own_slots
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints

SCHEMA = "eplb_opt.diff/1"  # of what `eplb-opt diff --json` writes
COUNTED = (
    "changed",
    "moved",
    "within_node",
    "across_nodes",
    "loaded",
    "repeated",
    "in_place",
)


def diff_report(
    placement: Placement,
    previous: Placement,
    instance: Instance,
    *,
    links: Links | None = None,
    limits: MoveLimits | None = None,
    failed_ranks: Sequence[int] = (),
) -> dict[str, Any]:
    """What ``--json`` writes, but for its notes.

    Parameters
    ----------
    placement : Placement
        The new map.
    previous : Placement
        The map in use.
    instance : Instance
        Of the new map; without any load nothing is said of what moves gain.
    links : Links, optional
        For bytes and seconds.
    limits : MoveLimits, optional
        Of the schedule; None: there is none.
    failed_ranks : sequence of int
        Ranks of the map in use that hold nothing any more.

    Returns
    -------
    dict
        Of JSON types; see the page about it, ``docs/outputs.md``.

    Raises
    ------
    InstanceError
        The maps are not of the instance, or nodes do not share the ranks equally.
    """
    costs = move_costs(placement, previous, instance, links, failed_ranks)
    in_use = own_slots(previous, instance)
    now = placement.phy2log.reshape(instance.num_layers, instance.num_ranks, -1)
    before = _imbalance(in_use, instance)
    after = _imbalance(now, instance)
    ids = tuple(instance.layer_ids or ())
    rows = [
        _layer(layer_id, cost, *imbalance)
        for layer_id, cost, *imbalance in zip(ids, costs, before, after, strict=True)
    ]
    old_ranks = in_use.shape[1]
    schedule = None
    if limits is not None:
        plan = schedule_moves(
            placement, previous, instance, limits, links, failed_ranks
        )
        schedule = _schedule(plan, limits, ids, links)
    return {
        "schema": SCHEMA,
        **_new_map(instance),
        "old_replicas": int(previous.phy2log.shape[1]),
        "old_ranks": old_ranks,
        "failed_ranks": list(failed_ranks),
        **_stated(links),
        "layers": rows,
        "totals": _totals(rows, old_ranks, instance.num_ranks),
        "schedule": schedule,
    }


def _imbalance(slots: Ints, instance: Instance) -> list[float | None]:
    """Of each layer; None where an expert has no replica, or nothing is known of loads."""
    if not instance.weight.any():
        return [None] * instance.num_layers
    return [_finite(value) for value in imbalance_of(slots, instance)]


def _new_map(instance: Instance) -> dict[str, Any]:
    return {
        "instance": instance.describe(),
        "mode": instance.mode,
        "replicas": instance.num_replicas,
        "ranks": instance.num_ranks,
        "nodes": instance.num_nodes,
    }


def _stated(links: Links | None) -> dict[str, Any]:
    """What is given of links."""
    return {
        "bytes_per_expert": None if links is None else int(links.bytes_per_expert),
        "within_node": None if links is None else links.within_node,
        "across_nodes": None if links is None else links.across_nodes,
    }


def _layer(
    layer_id: int, cost: LayerCost, before: float | None, after: float | None
) -> dict[str, Any]:
    return {
        "layer_id": layer_id,
        **{name: getattr(cost, name) for name in COUNTED},
        "sent_bytes": cost.sent_bytes,
        "loaded_bytes": cost.loaded_bytes,
        **_time(cost.busiest),
        "imbalance_before": before,
        "imbalance_after": after,
    }


def _time(busiest: Busiest | None) -> dict[str, Any]:
    """The link that takes longest, and how long."""
    if busiest is None:
        return {"seconds": None, "busiest_link": None}
    return {"seconds": busiest.seconds, "busiest_link": busiest.name}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _totals(
    rows: Sequence[Mapping[str, Any]], old_ranks: int, ranks: int
) -> dict[str, Any]:
    before = _mean([row["imbalance_before"] for row in rows])
    after = _mean([row["imbalance_after"] for row in rows])
    saved = None
    if before is not None and after is not None:
        # Each rank's part of the tokens, the mean of which is smaller on more ranks.
        saved = 1 - (after / ranks) / (before / old_ranks)
    summed = (*COUNTED, "sent_bytes", "loaded_bytes", "seconds")
    return {
        "layers": len(rows),
        "layers_changed": sum(row["changed"] > 0 for row in rows),
        **{name: _sum([row[name] for row in rows]) for name in summed},
        "imbalance_before": before,
        "imbalance_after": after,
        "saved": saved,
    }


def _sum(values: Sequence[Any]) -> Any:
    """The sum; None where one is unknown."""
    return None if None in values else sum(values)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _schedule(
    plan: Schedule, limits: MoveLimits, ids: Sequence[int], links: Links | None
) -> dict[str, Any]:
    return {
        "moves_per_rank": limits.per_rank,
        "moves_per_pair": limits.per_pair,
        "imbalance": _finite(float(plan.imbalance.mean())),
        "steps": [_step(step, ids[step.layer], links) for step in plan.steps],
    }


def _step(step: Step, layer_id: int, links: Links | None) -> dict[str, Any]:
    copies = np.stack(step.transfers, axis=1)
    size = None if links is None else len(copies) * int(links.bytes_per_expert)
    return {
        "layer_id": layer_id,
        "batch": step.batch,
        "block": step.block,
        "slots": step.slots.tolist(),
        "experts": step.experts.tolist(),
        "copies": copies.tolist(),
        "within_limits": step.is_within_limits,
        "bytes": size,
        **_time(step.busiest),
        "imbalance": _finite(step.imbalance),
        "mean_imbalance": _finite(step.mean_imbalance),
    }

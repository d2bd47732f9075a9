"""What an instance must be: slots that hold all experts, windows with weights, values that are finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InstanceError, shown
from .arrays import Floats
from .cost import Cost
from .objective import Objective
from .ranks import Ranks
from .topology import Topology


def check_slots(
    topology: Topology, experts: int, replicas: int, *, distinct: bool, is_uneven: bool
) -> None:
    """Raise `InstanceError` unless the slots hold all experts, and can be shared out to ranks and groups."""
    if replicas < experts:
        raise InstanceError(
            f"num_replicas={replicas} for {experts} experts: every expert needs a slot, use at least {experts}"
        )
    ranks = topology.num_ranks
    if replicas % ranks and not is_uneven:
        raise InstanceError(
            f"num_replicas={replicas} is not a multiple of num_ranks={ranks}: "
            f"use {_next_multiple(max(replicas, experts), ranks)}"
        )
    if experts % topology.num_groups:
        raise InstanceError(
            f"{experts} experts cannot be divided into num_groups={topology.num_groups} equal groups"
        )
    if distinct:
        _check_distinct(topology, experts // topology.num_pools, replicas)


def _check_distinct(topology: Topology, local_experts: int, replicas: int) -> None:
    """Whether experts on each of a pool's ranks once fill its slots."""
    ranks = topology.ranks_per_pool
    slots = replicas // topology.num_pools
    if ranks * local_experts < slots:
        raise InstanceError(
            f"distinct=True leaves no valid map: {local_experts} experts on {ranks} ranks fill at "
            f"most {ranks * local_experts} of {slots} slots, use fewer replicas"
        )


def check_windows(objective: object, windows: int) -> None:
    """Raise `InstanceError` unless there is an objective, with a weight for each window if it has any."""
    if not isinstance(objective, Objective):
        raise InstanceError(
            f"objective is {shown(objective)}: give Objective(across=...)"
        )
    weights = objective.weights
    if weights is not None and len(weights) != windows:
        raise InstanceError(
            f"{len(weights)} weights for {windows} windows: give one a window"
        )


def check_times(
    cost: Cost, step_loads: Sequence[Floats], replicas: int, unequal: Ranks | None
) -> None:
    """Raise `InstanceError` unless every rank time is finite, at most that of all slots at the dearest expert."""
    slowest = math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        if all(np.isfinite(loads).all() for loads in step_loads):
            slowest = max(float(cost(loads).max()) for loads in step_loads)
    work = slowest * replicas + cost.per_rank
    if not work / (1.0 if unequal is None else unequal.slowest) < np.inf:
        raise InstanceError(
            f"the cost of these loads is {slowest}, which overflows: give another unit, or tokens_per_step"
        )


def check_speeds(load: Floats, unequal: Ranks) -> None:
    """Raise `InstanceError` unless all loads on the slowest rank are finite over its speed."""
    with np.errstate(over="ignore"):
        slowest = load.sum(axis=(0, 2)).max() / unequal.slowest
    if not np.isfinite(slowest):
        raise InstanceError(
            f"loads over a speed of {unequal.slowest:g} overflow: multiply rank_speeds by a constant"
        )


def _next_multiple(value: int, of: int) -> int:
    return -(-value // of) * of


def as_layer_ids(ids: Any, layers: int) -> tuple[int, ...]:
    """Ids as anybody has them, one a layer; by default they are numbered."""
    if ids is None:
        return tuple(range(layers))
    result = tuple(int(i) for i in ids)
    if len(result) != layers or len(set(result)) != layers or min(result) < 0:
        more = f" and {len(result) - 8} more" if len(result) > 8 else ""
        raise InstanceError(
            f"layer_ids {list(result)[:8]}{more}: give {layers} different integers >= 0, one a layer"
        )
    return result

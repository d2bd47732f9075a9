"""What both engines ask of a policy: their topology, loads without tokens, and slots that stay where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..instance import Instance
from ..placement import Placement
from ..policies import POLICIES, AbstractEplbPolicy, configure

Slots = npt.NDArray[np.int64]


def plan(
    policy: type[AbstractEplbPolicy], weight: torch.Tensor, num_replicas: int, num_groups: int | None, num_nodes: int,
    num_ranks: int, old: Any = None,
) -> Slots:  # fmt: skip
    """The map [layers, replicas] for an engine's call, the same bits on every rank.

    Parameters
    ----------
    weight : tensor [layers, experts] or [steps, layers, experts]
        Routed tokens, on any device; steps are summed.
    num_groups, num_nodes : int
        Where whole groups cannot stay on nodes (``num_groups`` is None or no multiple of ``num_nodes``), the mode is
        global, as in the engines.
    old : tensor [layers, slots], optional
        The map in use, of any width, -1 for an empty slot. An expert that stays on its rank keeps its slot there.
        Layers without a routed token (all of them when an engine profiles) keep their rows if these are valid.

    Raises
    ------
    InstanceError
        The loads or the topology are not valid.
    """
    loads = weight.detach().cpu()
    if loads.dim() == 3:
        loads = loads.sum(dim=0)
    if num_nodes <= 1 or not num_groups or num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    instance = Instance(loads, num_replicas, num_groups, num_nodes, num_ranks, policy.distinct)
    idle = (instance.weight == 0).all(axis=1)
    if idle.all():  # any valid map will do, without waiting for a solver
        policy = configure(POLICIES["greedy"], distinct=policy.distinct)
    phy2log: Slots = policy.rebalance_experts(loads, num_replicas, num_groups, num_nodes, num_ranks)[0].numpy().copy()
    before = None if old is None else _same_width(np.asarray(torch.as_tensor(old).cpu()), num_replicas)
    if before is None or before.shape != phy2log.shape:
        return phy2log
    phy2log = keep_slots(phy2log, before, num_ranks)
    if idle.any():
        resting = replace(instance, load=instance.weight[idle], layer_ids=None)
        if not Placement(before[idle], instance.num_experts).violations(resting):
            phy2log[idle] = before[idle]
    return phy2log


def keep_slots(new: Slots, old: Slots, num_ranks: int) -> Slots:
    """Reorder the slots of each rank so that experts which were there keep their slot: fewer weights are copied.

    Parameters
    ----------
    new, old : array [layers, slots]
        -1 in ``old`` is an empty slot, which nobody keeps.

    Returns
    -------
    array [layers, slots]
        The same experts on every rank as in ``new``.
    """
    layers, slots = new.shape
    fresh, before = new.reshape(layers * num_ranks, -1), old.reshape(layers * num_ranks, -1)
    rows = np.arange(len(fresh))
    result = np.full_like(fresh, -1)
    free = np.ones(fresh.shape, dtype=bool)  # replicas not yet placed
    for slot in range(slots // num_ranks):
        match = free & (fresh == before[:, slot, None])
        chosen = match.argmax(axis=1)
        kept = match[rows, chosen]
        result[kept, slot] = before[kept, slot]
        free[rows[kept], chosen[kept]] = False
    result[result < 0] = fresh[free]  # both in row order, and as many open slots as free replicas in every row
    return result.reshape(layers, slots)


def _same_width(old: npt.NDArray[Any], width: int) -> Slots:
    """The first slots of an old map, -1 where it was narrower."""
    if old.ndim != 2:
        return np.empty((0, 0), dtype=np.int64)
    result = np.full((len(old), width), -1, dtype=np.int64)
    common = min(width, old.shape[1])
    result[:, :common] = old[:, :common]
    return result

"""Where a plan near the map in use starts: that map itself, or the nearest valid one."""

from __future__ import annotations

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from .adopt import adopted
from .held import EMPTY, Bools
from .renaming import renamed


def nearest_maps(instance: Instance, before: Ints, fresh: Ints) -> tuple[Ints, Bools]:
    """A valid map for every layer, as near as can be to the one in use, and in which layers it is that one.

    Parameters
    ----------
    instance : Instance
    before : array [layers, ranks, any slots a rank], int64
        The map in use, of `held.slots_in_use`.
    fresh : array [layers, replicas], int64
        Another valid map, which says where groups are if the map in use does not.

    Returns
    -------
    rows : array [layers, replicas], int64
    is_valid : array [layers], bool
    """
    layers = len(before)
    is_valid = valid_layers(instance, before)
    rows = np.empty((layers, instance.num_replicas), dtype=np.int64)
    if before.shape[2] == instance.slots_per_rank:
        rows = before.reshape(layers, -1).copy()
    for layer in np.flatnonzero(~is_valid):
        rows[layer] = _adopted(instance, int(layer), before[layer], fresh[layer])
    return rows, is_valid


def valid_layers(instance: Instance, before: Ints) -> Bools:
    """In which layers the map in use is a valid one.

    Parameters
    ----------
    instance : Instance
    before : array [layers, ranks, any slots a rank], int64
        The map in use, of `held.slots_in_use`.

    Returns
    -------
    array [layers], bool
    """
    if before.shape[2] != instance.slots_per_rank:
        return np.zeros(len(before), dtype=np.bool_)
    rows = before.reshape(len(before), -1)
    if not Placement(rows, instance.num_experts).violations(instance):
        return np.ones(len(rows), dtype=np.bool_)
    one = [
        not Placement(row[None], instance.num_experts).violations(
            instance.select([layer])
        )
        for layer, row in enumerate(rows)
    ]
    return np.array(one, dtype=np.bool_)


def _adopted(instance: Instance, layer: int, before: Ints, fresh: Ints) -> Ints:
    allowed = _allowed(instance, before)
    if allowed is None:
        part = instance.select([layer])
        names = renamed(fresh[None], before[None], part)
        allowed = _allowed(instance, names.reshape(instance.num_ranks, -1))
    if allowed is None:
        raise AssertionError("a valid map has whole groups on its nodes")
    slots = adopted(
        before,
        instance.weight[layer],
        allowed,
        instance.slots_per_rank,
        distinct=instance.distinct,
    )
    return slots.ravel()


def _allowed(instance: Instance, slots: Ints) -> Bools | None:
    """Which experts each rank may hold, [ranks, experts], by the groups on its node; None if these are no whole groups.

    Parameters
    ----------
    slots : array [ranks, any slots a rank], int64
    """
    ranks = instance.num_ranks
    experts = instance.num_experts
    if not instance.hierarchical:
        return np.ones((ranks, experts), dtype=np.bool_)
    of_expert = np.arange(experts) // instance.group_size
    on_node = slots.reshape(instance.num_nodes, -1)
    groups = [
        np.unique(row[row != EMPTY] // instance.group_size).tolist() for row in on_node
    ]
    number = instance.num_groups // instance.num_nodes
    found = sorted(group for node in groups for group in node)
    if found != list(range(instance.num_groups)) or any(
        len(node) != number for node in groups
    ):
        return None
    allowed = np.stack([np.isin(of_expert, node) for node in groups])
    return np.repeat(allowed, instance.ranks_per_pool, axis=0)

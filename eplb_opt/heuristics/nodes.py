"""Hierarchical mode: groups are packed on nodes, then experts on each node's ranks."""

from __future__ import annotations

from ..problem.topology import Topology
from . import arrays as xp
from .arrays import Array
from .greedy_check import heaviest_load
from .groups import share_out
from .pools import refine_pools
from .repeats import separated
from .replicas import whole_loads

SHARED_SLOTS = 3  # a rank, up to which groups are also shared out by their packing


def maps_on_nodes(
    weight: Array,
    num_replicas: int,
    topology: Topology,
    max_count: int,
    distinct: bool,
    steps: int,
    compiled: bool,
) -> Array:
    """`refine.refine_maps` in hierarchical mode."""
    layers, experts = weight.shape
    nodes = topology.num_pools
    ranks = topology.ranks_per_pool
    whole = whole_loads(weight)  # sums of groups are exact
    groups = _shares(whole, num_replicas // nodes, topology, max_count, steps, compiled)
    ways = len(groups) // layers  # in which groups are shared out
    size = experts // topology.num_groups
    members = groups[:, :, None] * size + xp.arange(0, size, xp.device(weight))
    members = members.reshape(len(groups), experts)
    by_node = xp.take_along_axis(xp.tile(whole, (ways, 1)), members)
    loads = by_node.reshape(len(groups) * nodes, -1)
    local = refine_pools(
        loads,
        num_replicas // nodes,
        ranks,
        max_count=max_count,
        steps=steps,
        compiled=compiled,
    )
    if distinct:
        local = separated(loads, local, ranks, compiled)
    phy2log = xp.take_along_axis(members.reshape(len(loads), -1), local)
    phy2log = phy2log.reshape(-1, layers, num_replicas)
    if ways == 1:
        return phy2log[0]
    of_nodes = heaviest_load(loads, local, ranks).reshape(2, layers, nodes)
    heaviest = xp.max(of_nodes, 2)
    is_lighter = heaviest[1] < heaviest[0]
    return xp.where(is_lighter[:, None], phy2log[1], phy2log[0])


def _shares(
    whole: Array,
    slots: int,
    topology: Topology,
    max_count: int,
    steps: int,
    compiled: bool,
) -> Array:
    """Groups node by node, [layers, groups]: packed by their loads, and with few slots a rank again, by `share_out`."""
    groups = topology.num_groups
    nodes = topology.num_nodes
    ranks = topology.ranks_per_pool
    sums = xp.sum(whole.reshape(len(whole), groups, -1), 2, xp.float64)
    by_load = refine_pools(sums, groups, nodes, steps=steps, compiled=compiled)
    if not steps or slots // ranks > SHARED_SLOTS:
        return by_load

    def pack(loads: Array) -> Array:
        return refine_pools(
            loads, slots, ranks, max_count=max_count, steps=0, variants=1
        )

    by_packing = share_out(whole, groups, nodes, pack, ranks)
    return by_load if by_packing is None else xp.concat((by_load, by_packing), 0)

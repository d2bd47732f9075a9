"""Maps repaired layer by layer: the pools of a layer are its nodes, or the layer itself."""

from __future__ import annotations

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from .held import Bools, moved_replicas
from .repair import NO_LIMIT, Pools, heaviest_ranks, repaired


def repaired_rows(
    instance: Instance,
    rows: Ints,
    held: Bools,
    good_enough: Floats,
    most_moves: int | None = None,
    *,
    searches: int = 1,
) -> Ints:
    """Maps near those given whose heaviest ranks have at most so much load, or as little as few moves bring about.

    Parameters
    ----------
    instance : Instance
        Whose objective adds windows.
    rows : array [layers, replicas], int64
        Valid maps to start from. In hierarchical mode experts stay on their nodes.
    held : array [layers, ranks, experts], bool
        What ranks hold in the map in use.
    good_enough : array [layers], float64
        Load of a rank, in the unit of `Instance.weight`.
    most_moves : int, optional
        Replicas of a layer that may move.
    searches : int, default 1
        See `repair.repaired`.

    Returns
    -------
    array [layers, replicas], int64
    """
    nodes = _Nodes(instance, rows, held)
    layers = np.arange(len(rows))
    mean = np.where(instance.mean > 0, instance.mean, 1.0)
    most = good_enough / mean
    limit = np.full(len(rows), NO_LIMIT if most_moves is None else most_moves)
    # One node of every layer at a time, heavy ones first, as they share what may move.
    order = np.argsort(-nodes.heaviest(), axis=1, kind="stable")
    left = limit - nodes.moves().sum(axis=1)
    for node in order.T:
        pools = nodes.pools(layers, node)
        own = nodes.moves()[layers, node]
        found = repaired(pools, most, np.maximum(left, 0) + own, searches)
        nodes.slots[layers, node] = found.slots
        left -= found.moves - own
    return nodes.rows()


class _Nodes:
    """The nodes of all layers, each with its experts by their numbers there."""

    def __init__(self, instance: Instance, rows: Ints, held: Bools) -> None:
        self.instance = instance
        layers = len(rows)
        nodes = instance.num_pools
        shape = (layers, nodes, instance.ranks_per_pool, instance.slots_per_rank)
        mean = np.where(instance.mean > 0, instance.mean, 1.0)
        relative = (instance.weight / mean[:, None])[:, None, :]
        of_ranks = held.reshape(layers, nodes, instance.ranks_per_pool, -1)
        if nodes == 1:  # experts have their own numbers
            self.members: Ints | None = None
            self.slots = rows.reshape(shape).copy()
            self.held = of_ranks
            self.loads = relative
            return
        self.members, numbers = _members(rows.reshape(layers, nodes, -1), instance)
        self.slots = numbers.reshape(shape)
        self.held = np.take_along_axis(of_ranks, self.members[:, :, None, :], axis=3)
        self.loads = np.take_along_axis(relative, self.members, axis=2)

    def pools(self, layers: Ints, node: Ints) -> Pools:
        """One node of every layer."""
        return Pools(
            self.loads[layers, node],
            self.slots[layers, node],
            self.held[layers, node],
            self.instance.distinct,
        )

    def moves(self) -> Ints:
        """Replicas that move, [layers, nodes]."""
        return moved_replicas(self.slots, self.held)

    def heaviest(self) -> Floats:
        """Load of each node's heaviest rank, [layers, nodes], in units of the mean."""
        layers, nodes, ranks, slots = self.slots.shape
        if nodes == 1:  # none is heavier than another
            return np.zeros((layers, 1))
        loads = self.loads.reshape(layers * nodes, -1)
        of_pools = heaviest_ranks(loads, self.slots.reshape(-1, ranks, slots))
        return of_pools.reshape(layers, nodes)

    def rows(self) -> Ints:
        """The maps, [layers, replicas]."""
        layers, nodes = self.slots.shape[:2]
        if self.members is None:
            return self.slots.reshape(layers, -1)
        flat = self.slots.reshape(layers, nodes, -1)
        experts = np.take_along_axis(self.members, flat, axis=2)
        return np.asarray(experts.reshape(layers, -1))


def _members(by_node: Ints, instance: Instance) -> tuple[Ints, Ints]:
    """Each node's experts, [layers, nodes, experts a node], and the slots' experts by their numbers there."""
    shape = (*by_node.shape[:2], instance.num_experts)
    is_here = np.zeros(shape, dtype=np.bool_)
    np.put_along_axis(is_here, by_node, True, axis=2)
    # Members first, each in order.
    of_node = np.argsort(~is_here, axis=2, kind="stable")
    number = np.cumsum(is_here, axis=2) - 1
    members = of_node[:, :, : instance.num_experts // instance.num_pools]
    return members, np.take_along_axis(number, by_node, axis=2)

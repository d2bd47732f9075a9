"""Hierarchical mode: which groups share a node, many layers at once.

With many slots a rank a node's load is what counts, and the packing of groups by their loads is `pools.refine_pools`'
own. With few slots the hottest experts count as much: a node of two hot groups is short of slots, however little the
rest weighs. So where the ways to share out the groups are few enough to list, all sets of groups that a node could hold
are packed, and of all ways the one is found whose heaviest rank is lightest.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from math import factorial

import numpy as np

from . import arrays as xp
from .arrays import Array, Device
from .greedy_check import heaviest_load

MOST_WAYS = 105  # 8 groups on 4 nodes


@functools.cache
def ways(groups: int, nodes: int, device: Device) -> tuple[Array, Array] | None:
    """Sets of groups that a node can hold [sets, groups a node], and every way to share out, [ways, nodes], of sets.

    None if there are more than `MOST_WAYS`, or just one.
    """
    per_node = groups // nodes
    # Of a node's groups, and of the nodes.
    orders_within = factorial(per_node) ** nodes * factorial(nodes)
    if not 1 < factorial(groups) // orders_within <= MOST_WAYS:
        return None
    sets = list(itertools.combinations(range(groups), per_node))
    number = {held: i for i, held in enumerate(sets)}
    table = [
        [number[held] for held in way] for way in _ways(tuple(range(groups)), per_node)
    ]
    return xp.asarray(np.array(sets), device), xp.asarray(np.array(table), device)


def _ways(groups: tuple[int, ...], size: int) -> Iterator[list[tuple[int, ...]]]:
    """Every way to divide groups into sets of the same size."""
    if not groups:
        yield []
        return
    first, *rest = groups
    for others in itertools.combinations(rest, size - 1):
        left = tuple(group for group in rest if group not in others)
        for way in _ways(left, size):
            yield [(first, *others), *way]


def share_out(
    whole: Array, groups: int, nodes: int, pack: Callable[[Array], Array], ranks: int
) -> Array | None:
    """Groups node by node, by what the packing of each node would give.

    Parameters
    ----------
    whole : array [layers, experts]
        Of `replicas.whole_loads`.
    groups, nodes : int
    pack : callable
        Experts in the slots of each pool, [pools, slots], of loads [pools, experts].
    ranks : int
        Of a node.

    Returns
    -------
    array [layers, groups], int64, or None where there are many ways
    """
    listed = ways(groups, nodes, xp.device(whole))
    if listed is None:
        return None
    sets, table = listed
    layers = len(whole)
    by_group = whole.reshape(layers, groups, -1)
    loads = xp.take(by_group, sets.reshape(-1), 1).reshape(layers * len(sets), -1)
    of_sets = heaviest_load(loads, pack(loads), ranks).reshape(layers, len(sets))
    of_ways = xp.max(
        xp.take(of_sets, table.reshape(-1), 1).reshape(layers, *table.shape), 2
    )
    best = xp.take(table, xp.argmin(of_ways, 1), 0)
    return xp.take(sets, best.reshape(-1), 0).reshape(layers, groups)

"""Hierarchical mode: which groups share a node, many layers at once.

With many slots a rank a node's load is what counts, and the packing of groups by their loads is `refine.refine_pools`'
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
def ways(groups: int, nodes: int, at: Device) -> tuple[Array, Array] | None:
    """Sets of groups that a node can hold [sets, groups a node], and every way to share out, [ways, nodes], of sets.

    None if there are more than `MOST_WAYS`, or just one.
    """
    each = groups // nodes
    if not 1 < factorial(groups) // (factorial(each) ** nodes * factorial(nodes)) <= MOST_WAYS:
        return None
    found = list(_ways(tuple(range(groups)), each))
    sets = list(itertools.combinations(range(groups), each))
    number = {held: i for i, held in enumerate(sets)}
    table = np.array([[number[held] for held in way] for way in found])
    return xp.asarray(np.array(sets), at), xp.asarray(table, at)


def _ways(groups: tuple[int, ...], each: int) -> Iterator[list[tuple[int, ...]]]:
    """Every way to divide groups into sets of the same size."""
    if not groups:
        yield []
        return
    first, rest = groups[0], groups[1:]
    for others in itertools.combinations(rest, each - 1):
        for way in _ways(tuple(g for g in rest if g not in others), each):
            yield [(first, *others), *way]


def share_out(whole: Array, groups: int, nodes: int, pack: Callable[[Array], Array], ranks: int) -> Array | None:
    """Groups node by node, [layers, groups] (int64), of whole loads [layers, experts]; None where there are many ways.

    Parameters
    ----------
    pack : experts in the slots of each pool, [pools, slots], of loads [pools, experts]
    ranks : of a node
    """
    listed = ways(groups, nodes, xp.device(whole))
    if listed is None:
        return None
    sets, table = listed
    layers = len(whole)
    loads = xp.take(whole.reshape(layers, groups, -1), sets.reshape(-1), 1).reshape(layers * len(sets), -1)
    value = heaviest_load(loads, pack(loads), ranks).reshape(layers, len(sets))
    worst = xp.max(xp.take(value, table.reshape(-1), 1).reshape(layers, *table.shape), 2)
    best = xp.argmin(worst, 1)
    return xp.take(sets, xp.take(table, best, 0).reshape(-1), 0).reshape(layers, groups)

"""Groups to nodes: which pools a layer has, and how their bounds and packings combine (``models/README.md``, H1-H3).

A *node set* is the sorted tuple of groups on one node; a *partition* gives every group to one of the nodes. A layer's
objective is the largest value of its node sets, so the best partition is a bottleneck partition.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from .instance import Instance
from .pool import Floats, Ints

NodeSet = tuple[int, ...]

# Beyond these sizes `grouping` finds the partition, and only node sets of partitions become pools.
MAX_NODE_SETS = 500
MAX_ENUMERATED_GROUPS = 12


def node_sets(instance: Instance) -> list[NodeSet] | None:
    """Every possible node set; the only one in global mode; None if there are too many to enumerate."""
    if not instance.hierarchical:
        return [tuple(range(instance.num_groups))]
    groups = instance.num_groups
    size = groups // instance.num_nodes
    are_many = groups > MAX_ENUMERATED_GROUPS or math.comb(groups, size) > MAX_NODE_SETS
    if are_many and size > 1:
        return None
    return list(combinations(range(groups), size))


def members(instance: Instance, node_set: NodeSet) -> Ints:
    """The experts of a node set, [experts]; all experts in global mode."""
    if not instance.hierarchical:
        return np.arange(instance.num_experts)
    size = instance.group_size
    first = np.array(node_set, dtype=np.int64) * size
    experts: Ints = first[:, None] + np.arange(size)
    return experts.ravel()


def group_loads(instance: Instance, layer: int) -> Floats:
    """Total load of each group of a layer, [groups]."""
    by_group = instance.weight[layer].reshape(-1, instance.group_size)
    sums: Floats = by_group.sum(axis=1)
    return sums


def bottleneck_partition(
    values: Mapping[NodeSet, float], num_groups: int
) -> tuple[float, list[NodeSet]]:
    """The partition whose largest value is least, among the node sets given (exact: models/README.md, H2).

    Dynamic programming over the set of groups that have a node: the next node set always holds the first group
    without one. Among equals the earlier node set wins, so the answer is deterministic.

    Raises
    ------
    ValueError
        The node sets given admit no partition.
    """
    by_first: dict[int, list[tuple[float, int, NodeSet]]] = {}
    for node_set, value in values.items():
        by_first.setdefault(node_set[0], []).append(
            (value, sum(1 << g for g in node_set), node_set)
        )
    full = (1 << num_groups) - 1
    best: dict[int, tuple[float, int, NodeSet]] = {0: (-math.inf, 0, ())}
    layer = [0]
    while layer and layer[0] != full:
        following: dict[int, None] = {}
        for mask in layer:
            first = (~mask & (mask + 1)).bit_length() - 1
            for value, bits, node_set in by_first.get(first, ()):
                if bits & mask:
                    continue
                worst = max(best[mask][0], value)
                if mask | bits not in best or worst < best[mask | bits][0]:
                    best[mask | bits] = (worst, mask, node_set)
                following[mask | bits] = None
        layer = list(following)
    if full not in best:
        raise ValueError("the node sets admit no partition")
    return best[full][0], list(_trace(best, full))


def _trace(
    best: Mapping[int, tuple[float, int, NodeSet]], mask: int
) -> Iterator[NodeSet]:
    while mask:
        _, mask, node_set = best[mask]
        yield node_set

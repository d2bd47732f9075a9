"""The published greedy as its rules say it, one layer and one replica at a time; shares no code with the package.

Rules (DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv:2412.19437, section 3.4, and the open-source EPLB), in
float64 with stable sorts:

1. *Packing* items into bins that become equally full: heaviest first, of equals the first; each to the lightest bin
   with room, of equals the lowest. With room for one item in a bin the items stay in their order.
2. *Replicas*: one more to the expert with the highest load per replica, of equals the lowest, until the slots are full.
   Slots are in this order: the experts, then the further replicas as they were given.
3. *Hierarchical mode*: groups are packed to nodes by 1, each node's experts follow in the order in which its groups
   came; replicas and their packing by 2 and 1 on each node alone.
"""

from __future__ import annotations

from collections.abc import Sequence


def packed(loads: Sequence[float], bins: int) -> list[list[int]]:
    """Items in each bin, in the order in which they came."""
    room = len(loads) // bins
    if room == 1:
        return [[item] for item in range(len(loads))]
    held: list[list[int]] = [[] for _ in range(bins)]
    total = [0.0] * bins
    for item in sorted(range(len(loads)), key=lambda i: -loads[i]):
        lightest = min((b for b in range(bins) if len(held[b]) < room), key=lambda b: total[b])
        held[lightest].append(item)
        total[lightest] += loads[item]
    return held


def replicated(loads: Sequence[float], slots: int) -> list[int]:
    """Expert of each slot before the packing."""
    counts = [1] * len(loads)
    experts = list(range(len(loads)))
    while len(experts) < slots:
        each = [load / count for load, count in zip(loads, counts, strict=True)]
        hottest = each.index(max(each))
        counts[hottest] += 1
        experts.append(hottest)
    return experts


def pool_map(loads: Sequence[float], slots: int, ranks: int) -> list[int]:
    """Expert of each slot, rank by rank, of one pool."""
    experts = replicated(loads, slots)
    each = [loads[e] / experts.count(e) for e in experts]
    return [experts[slot] for rank in packed(each, ranks) for slot in rank]


def layer_map(loads: Sequence[float], slots: int, groups: int, nodes: int, ranks: int) -> list[int]:
    """Expert of each slot of a layer; hierarchical mode as the engines choose it."""
    if nodes == 1 or groups % nodes:
        return pool_map(loads, slots, ranks)
    size = len(loads) // groups
    found = []
    for held in packed([sum(loads[g * size : (g + 1) * size]) for g in range(groups)], nodes):
        experts = [g * size + i for g in held for i in range(size)]
        local = pool_map([loads[e] for e in experts], slots // nodes, ranks // nodes)
        found += [experts[e] for e in local]
    return found

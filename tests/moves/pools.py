"""Random layers, with a map in use and a new one, of all kinds of topology."""

from __future__ import annotations

import numpy as np

from eplb_opt import Instance, Placement

WINDOWS = 2


def random_instance(rng, *, hierarchical=False, distinct=False, layers=2):
    """Loads and a topology of up to 4 nodes with 2 ranks each."""
    nodes = int(rng.integers(2, 4)) if hierarchical else int(rng.integers(1, 4))
    ranks = nodes * int(rng.integers(1, 3))
    slots = int(rng.integers(1, 5))
    replicas = ranks * slots
    fewest = max(slots, 1) if distinct else 1
    if hierarchical:
        per_node = int(rng.integers(1, replicas // nodes + 1))
        experts = max(per_node, slots if distinct else 1) * nodes
    else:
        experts = int(rng.integers(fewest, replicas + 1))
    load = rng.integers(0, 50, (WINDOWS, layers, experts))
    groups = nodes if hierarchical else 1
    return Instance(load, replicas, num_ranks=ranks, num_nodes=nodes, num_groups=groups, distinct=distinct)


def random_row(rng, instance):
    """A valid row of a map: of each pool every expert once, then whatever fits."""
    while True:
        groups = rng.permutation(instance.topology.groups_in_force)
        parts = np.array_split(groups, instance.num_pools)
        row = np.concatenate([_pool_row(rng, instance, part) for part in parts])
        if not Placement([row], instance.num_experts).violations(instance.select([0])):
            return row


def _pool_row(rng, instance, groups):
    size = instance.group_size
    experts = np.concatenate([np.arange(group * size, (group + 1) * size) for group in groups])
    if instance.distinct:
        return _distinct_row(rng, instance, experts)
    more = rng.choice(experts, instance.slots_per_pool - len(experts))
    return rng.permutation(np.concatenate([experts, more]))


def _distinct_row(rng, instance, experts):
    """Ranks one after the other take the experts that are due most often, different ones each."""
    taken = dict.fromkeys(rng.permutation(experts).tolist(), 0)
    rows = []
    for _ in range(instance.ranks_per_pool):
        row = sorted(taken, key=lambda expert: (taken[expert], rng.random()))[: instance.slots_per_rank]
        for expert in row:
            taken[expert] += 1
        rows += rng.permutation(row).tolist()
    return np.array(rows)


def random_map(rng, instance):
    rows = [random_row(rng, instance) for _ in range(instance.num_layers)]
    return Placement(rows, instance.num_experts)


def elastic_map(rng, instance):
    """A map of another width or number of ranks, some slots empty."""
    ranks = int(rng.integers(1, 7))
    slots = int(rng.integers(1, 6))
    shape = (instance.num_layers, ranks * slots)
    return Placement(rng.integers(-1, instance.num_experts, shape), instance.num_experts, num_ranks=ranks)


def held_by(placement, instance, layer):
    """The experts on each of the instance's ranks, as sets."""
    row = placement.phy2log[layer]
    ranks = placement.num_ranks or instance.num_ranks
    by_rank = [set(part.tolist()) - {-1} for part in np.split(row, ranks)]
    empty = [set() for _ in range(instance.num_ranks)]
    return (by_rank + empty)[: instance.num_ranks]

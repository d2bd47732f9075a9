"""Instances with enough slots for spare replicas, of every topology."""

from __future__ import annotations

import numpy as np

from eplb_opt import Instance, Objective

TINY = ((2, 2, 2), (2, 3, 2), (2, 4, 1), (2, 4, 2), (3, 2, 3), (3, 3, 2), (3, 4, 2), (3, 2, 4), (4, 4, 2), (3, 3, 3))


def tiny_instance(rng, *, distinct=False):
    """One layer of few enough maps for brute force, and what may fail of it."""
    experts, ranks, slots = TINY[int(rng.integers(len(TINY)))]
    distinct = distinct and slots <= experts
    spare = "node" if ranks == 4 and rng.random() < 0.5 else "rank"
    load = rng.integers(0, 40, (1, experts)) if rng.random() < 0.5 else rng.lognormal(sigma=1.5, size=(1, experts))
    nodes = 2 if spare == "node" else 1
    return Instance(load, ranks * slots, num_ranks=ranks, num_nodes=nodes, distinct=distinct), spare


def random_instance(rng, *, layers=2, windows=1):
    """Global or hierarchical, distinct or not, with any number of slots beyond two an expert."""
    hierarchical = rng.random() < 0.3
    nodes = 2 if hierarchical else int(rng.integers(1, 4))
    groups = 2 * int(rng.integers(1, 3)) if hierarchical else 1
    experts = groups * int(rng.integers(1, 7))
    ranks = nodes * int(rng.integers(2, 5))
    slots = -(-2 * experts // ranks) + int(rng.integers(0, 3))
    local = experts // nodes if hierarchical else experts
    instance = Instance(
        rng.lognormal(sigma=1.5, size=(windows, layers, experts)),
        ranks * slots,
        num_ranks=ranks,
        num_nodes=nodes,
        num_groups=groups,
        distinct=bool(slots <= local and rng.random() < 0.5),
        objective=Objective("mean" if windows > 1 else "sum"),
    )
    spare = "node" if nodes > 1 and not instance.hierarchical and rng.random() < 0.6 else "rank"
    return instance, spare


def loses_nothing(placement, instance, spare):
    """Whether all experts have a replica left, whichever rank (node) fails; the map is valid."""
    assert placement.violations(instance) == []
    by_rank = placement.phy2log.reshape(instance.num_layers, instance.num_ranks, -1)
    size = 1 if spare == "rank" else instance.num_ranks // instance.num_nodes
    for first in range(0, instance.num_ranks, size):
        left = np.delete(by_rank, range(first, first + size), axis=1)
        if any(len(np.unique(row)) < instance.num_experts for row in left):
            return False
    return True

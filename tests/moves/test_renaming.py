"""Ranks renamed: fewest moves, the same objective, nothing where nothing has to move."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eplb_opt import Instance, Placement, match_ranks
from eplb_opt.heuristics.refine import refined
from eplb_opt.moves.assign import assign
from eplb_opt.moves.assignment import best_assignments
from eplb_opt.moves.held import moves

TOPOLOGIES = {
    "global": {"num_ranks": 4},
    "hierarchical": {"num_ranks": 4, "num_groups": 4, "num_nodes": 2},
    "distinct": {"num_ranks": 4, "distinct": True},
}


def instance_of(seed, layers=3, **topology):
    loads = np.random.default_rng(seed).lognormal(0, 1, (layers, 8))
    return Instance(loads, 12, **topology)


def orders(instance):
    """All names that ranks may have."""
    nodes, size = instance.num_pools, instance.ranks_per_pool
    for outer in itertools.permutations(range(nodes)):
        for inner in itertools.product(itertools.permutations(range(size)), repeat=nodes):
            yield [node * size + rank for node, ranks in zip(outer, inner, strict=True) for rank in ranks]


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
@pytest.mark.parametrize("seed", range(5))
def test_no_names_move_fewer(topology, seed):
    before = refined(instance_of(seed, **topology))
    instance = instance_of(seed + 100, **topology)
    fresh = refined(instance)
    found = match_ranks(fresh, before, instance)
    np.testing.assert_allclose(found.objective(instance), fresh.objective(instance), rtol=1e-12)
    assert not found.violations(instance)
    by_rank = fresh.phy2log.reshape(3, 4, 3)
    fewest = np.min(
        [moves(Placement(by_rank[:, order].reshape(3, -1), 8), before, instance) for order in orders(instance)], axis=0
    )
    assert moves(found, before, instance).tolist() == fewest.tolist()


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_a_map_under_other_names_moves_nothing(topology):
    instance = instance_of(1, **topology)
    before = refined(instance)
    random = np.random.default_rng(0)
    for order in random.permutation(list(orders(instance)))[:10]:
        slots = before.phy2log.reshape(3, 4, 3)[:, order]
        slots = random.permuted(slots, axis=2)
        found = match_ranks(Placement(slots.reshape(3, -1), 8), before, instance)
        assert found.phy2log.tolist() == before.phy2log.tolist()


def test_experts_that_stay_keep_their_slots():
    instance = Instance([[8.0, 3, 1]], 4, num_ranks=2)
    before = Placement([[0, 1, 2, -1]], 3)
    assert match_ranks(Placement([[1, 0, 0, 2]], 3), before, instance).phy2log.tolist() == [[0, 1, 2, 0]]


def test_ranks_beyond_those_in_use():
    instance = Instance([[8.0, 3, 1]], 6, num_ranks=3)
    before = Placement([[2, 1, 0, 0]], 3)
    found = match_ranks(Placement([[0, 1, 0, 0, 2, 1]], 3), before, instance)
    assert found.phy2log.tolist() == [[2, 1, 0, 0, 0, 1]]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_assignments_against_all_of_them(size):
    gains = np.random.default_rng(size).integers(-3, 9, (30, size, size))
    found = best_assignments(gains)
    for matrix, columns in zip(gains, found, strict=True):
        assert sorted(columns) == list(range(size))
        best = max(matrix[np.arange(size), list(order)].sum() for order in itertools.permutations(range(size)))
        assert matrix[np.arange(size), columns].sum() == best
        plain = np.empty(size, dtype=np.int64)
        assign(matrix, plain)  # as without numba
        assert plain.tolist() == columns.tolist()

"""Spare replicas from a map in use: the next map is spare too, and moves what the rules and spare replicas ask for."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt import Instance, Placement, solve

from .instances import loses_nothing, random_instance

RULES = ({}, {"max_moves": 2}, {"max_moves": 0.2}, {"slack": 0.01}, {"move_price": 0.001})


def later(rng, instance):
    """The same topology with loads that have drifted."""
    load = instance.load * rng.lognormal(sigma=0.3, size=instance.load.shape)
    return Instance(
        load,
        instance.num_replicas,
        num_ranks=instance.num_ranks,
        num_nodes=instance.num_nodes,
        num_groups=instance.num_groups,
        distinct=instance.distinct,
        objective=instance.objective,
    )


@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_next_map_is_spare(number, rule):
    rng = np.random.default_rng([8, number])
    instance, spare = random_instance(rng, windows=1 if number % 3 else 2)
    previous = solve(instance, "refined", spare=spare if number % 2 else None).placement
    result = solve(later(rng, instance), "refined", previous=previous, spare=spare, **rule)
    assert loses_nothing(result.placement, instance, spare)
    assert (result.spare_bound <= result.objective).all()


@pytest.mark.parametrize("number", range(10))
def test_unchanged_loads_move_nothing(number):
    rng = np.random.default_rng([9, number])
    instance, spare = random_instance(rng)
    used = solve(instance, "refined", spare=spare)
    again = solve(instance, "refined", previous=used.placement, spare=spare)
    assert again.moves.tolist() == [0] * instance.num_layers
    assert again.placement.phy2log.tolist() == used.placement.phy2log.tolist()


@pytest.mark.parametrize("number", range(10))
def test_rotated_ranks_move_nothing(number):
    """Ranks that are alike are renamed: those of a node, and nodes; where nodes may fail no rank leaves its own."""
    rng = np.random.default_rng([10, number])
    instance, spare = random_instance(rng)
    used = solve(instance, "refined", spare=spare)
    by_rank = used.placement.phy2log.reshape(instance.num_layers, instance.num_ranks, -1)
    per_node = instance.num_ranks // instance.num_nodes
    rotated = np.roll(by_rank, per_node, axis=1).reshape(instance.num_layers, -1)
    previous = Placement(rotated, instance.num_experts)
    again = solve(instance, "refined", previous=previous, spare=spare)
    assert again.moves.tolist() == [0] * instance.num_layers


def test_limits_are_kept_where_the_map_in_use_is_spare():
    pytest.importorskip("numba")
    for number in range(15):
        rng = np.random.default_rng([11, number])
        instance, spare = random_instance(rng)
        previous = solve(instance, "refined", spare=spare).placement
        result = solve(later(rng, instance), "refined", previous=previous, spare=spare, max_moves=3)
        assert (result.moves <= 3).all()


def test_a_rank_failed():
    """The ranks that are left hold every expert: what they hold is kept as far as spare replicas allow."""
    rng = np.random.default_rng(12)
    load = rng.lognormal(size=(1, 6))
    used = solve(Instance(load, 20, num_ranks=5), "refined", spare="rank")
    smaller = Instance(load, 16, num_ranks=4)
    result = solve(smaller, "refined", previous=used.placement, failed_ranks=[2], spare="rank", slack=0.1)
    assert loses_nothing(result.placement, smaller, "rank")
    fresh = solve(smaller, "refined", previous=used.placement, failed_ranks=[2], spare="rank")
    assert (result.moves <= fresh.moves).all()
    assert (result.objective <= fresh.objective * 1.1 * (1 + 1e-9)).all()

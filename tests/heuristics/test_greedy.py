"""The greedy against a plain Python statement of the published rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance, solve
from eplb_opt.heuristics.greedy import greedy, greedy_pools
from eplb_opt.heuristics.greedy_check import greedy_objective, heaviest_load
from eplb_opt.heuristics.refine import refined
from eplb_opt.heuristics.separate import separate_ranks

from ..conftest import KNOWN, engine_instance, recorded
from ..published_greedy import layer_map


def by_the_rules(instance):
    topology = (instance.num_replicas, instance.num_groups, instance.num_nodes, instance.num_ranks)
    return np.array([layer_map(row, *topology) for row in instance.weight.tolist()])


pools = st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 6), st.integers(0, 3)).map(
    lambda p: (list(map(float, p[0])), p[1] * (-(-len(p[0]) // p[1]) + p[2]), p[1])
)
LOADS = {
    "few": lambda random, shape: random.integers(0, 3, shape),
    "integers": lambda random, shape: random.integers(0, 50, shape),
    "zeros": lambda random, shape: np.zeros(shape),
    "equal": lambda random, shape: np.full(shape, 7),
    "lognormal": lambda random, shape: random.lognormal(0, 1.5, shape),
    "sparse": lambda random, shape: random.integers(0, 9, shape) * (random.random(shape) < 0.3),
    "denormal": lambda random, shape: random.integers(0, 20, shape) * 5e-324,
    "huge": lambda random, shape: random.lognormal(0, 1, shape) * 1e295,
    "equal but for rounding": lambda random, shape: random.choice([0.1, 0.3, 0.1 * 3, 0.1 + 0.2, 0.6, 0.7], shape),
}  # each of them has ties of its own


@st.composite
def instances(draw):
    nodes = draw(st.sampled_from([1, 1, 2, 4]))
    ranks = nodes * draw(st.integers(1, 6))
    groups = nodes * draw(st.integers(1, 3))
    experts = groups * draw(st.integers(1, 8))
    slots = ranks * (-(-experts // ranks) + draw(st.integers(0, 3)))
    load = LOADS[draw(st.sampled_from(list(LOADS)))]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers = draw(st.sampled_from([1, 2, 20]))  # few rows are packed one by one, many in rounds
    return Instance(load(random, (layers, experts)), slots, num_groups=groups, num_nodes=nodes, num_ranks=ranks)


@settings(max_examples=600, deadline=None)
@given(instances())
def test_the_map_is_the_published_one(instance):
    """Ties included; and so are its objective without a map, and what `refined` must not exceed."""
    found = greedy(instance)
    np.testing.assert_array_equal(found.phy2log, by_the_rules(instance))
    value = heaviest_load(instance.weight, found.phy2log, instance.num_ranks)
    objective = greedy_objective(instance.weight, instance.num_replicas, instance.topology)
    np.testing.assert_allclose(objective, value, rtol=1e-12)
    better = refined(instance)
    assert (better.objective(instance) <= found.objective(instance) * (1 + 1e-12)).all()
    if instance.weight.max() < 1e-300:  # nor before quotients are rounded to multiples of the smallest float
        scaled = replace(instance, load=instance.load * 2.0**900)
        assert (better.objective(scaled) <= found.objective(scaled) * (1 + 1e-12)).all()


@pytest.mark.parametrize("known", KNOWN)
def test_known_maps_are_the_published_ones(known):
    instance = KNOWN[known][0]
    np.testing.assert_array_equal(greedy(instance).phy2log, by_the_rules(instance))


@pytest.mark.parametrize("topology", [(24, 8, 4, 8), (24, 4, 2, 8), (20, 1, 1, 5)])
def test_solve_keeps_the_published_packings(topology):
    """A node's groups in another order would have other ties, and so another objective."""
    instance = engine_instance(np.random.default_rng(0).integers(0, 5, (40, 16)), *topology)
    np.testing.assert_array_equal(solve(instance, "greedy").objective, greedy(instance).objective(instance))


@pytest.mark.recorded
@pytest.mark.parametrize("topology", [(72, 1, 1, 8), (80, 1, 1, 16), (80, 1, 1, 40), (64, 1, 1, 16), (80, 8, 4, 8)])
def test_small_windows_are_full_of_ties(topology):
    instance = engine_instance(recorded("deepseek_v2_lite_windows")[1], *topology)
    found = greedy(instance)
    np.testing.assert_array_equal(found.phy2log, by_the_rules(instance))
    assert (refined(instance).objective(instance) <= found.objective(instance) * (1 + 1e-12)).all()


@settings(max_examples=200, deadline=None)
@given(pools)
def test_distinct_always_has_an_answer(pool):
    loads, slots, ranks = pool
    if slots > len(loads) * ranks:
        return
    placed = greedy_pools(np.array([loads]), slots, ranks, distinct=True)[0]
    rows = np.sort(placed.reshape(ranks, -1), axis=1)
    assert not (rows[:, 1:] == rows[:, :-1]).any()
    assert len(np.unique(placed)) == len(loads)


def test_repair_of_ranks_that_share_all_their_experts():
    ranks = separate_ranks([[0, 0, 1, 1], [2, 2, 3, 3], [0, 1, 2, 3]], [4.0, 3.0, 2.0, 1.0])
    assert all(len(set(held)) == 4 for held in ranks)


def test_batches_do_not_interact():
    loads = np.random.default_rng(0).lognormal(size=(20, 16))
    together = greedy_pools(loads, 24, 8)
    np.testing.assert_array_equal(together, np.concatenate([greedy_pools(row[None], 24, 8) for row in loads]))

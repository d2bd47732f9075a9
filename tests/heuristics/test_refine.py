"""The production heuristic: valid, never worse than the greedy, the same bits everywhere."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import POLICIES, Instance, OptionError, Placement, configure
from eplb_opt.heuristics.deal import deal
from eplb_opt.heuristics.exchange import exchanges
from eplb_opt.heuristics.greedy import greedy, greedy_maps
from eplb_opt.heuristics.greedy_check import greedy_objective, heaviest_load
from eplb_opt.heuristics.pools import refine_pools
from eplb_opt.heuristics.refine import refine_maps, refined
from eplb_opt.heuristics.repeats import fewer_repeats
from eplb_opt.heuristics.replicas import UNIT, expert_bits, replica_keys
from eplb_opt.heuristics.splits import FULL_SPLITS, splits
from eplb_opt.heuristics.variants import pairs
from eplb_opt.problem.topology import Topology

from ..conftest import engine_instance, recorded
from ..oracle import layer_optimum

SHAPES = {  # slots a rank: (experts, slots, ranks)
    1: (7, 12, 12), 2: (9, 16, 8), 3: (16, 24, 8), 4: (20, 32, 8), 5: (32, 40, 8), 6: (30, 36, 6), 7: (40, 49, 7),
    8: (64, 64, 8), 9: (64, 72, 8), 13: (50, 52, 4), 40: (64, 80, 2),
}  # fmt: skip


def lognormal(layers: int, experts: int, sigma: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.rint(np.random.default_rng(seed).lognormal(sigma=sigma, size=(layers, experts)) * 1000)


@st.composite
def instances(draw):
    nodes = draw(st.sampled_from([1, 1, 1, 2, 4]))
    ranks = nodes * draw(st.integers(1, 6))
    groups = nodes * draw(st.integers(1, 3))
    experts = groups * draw(st.integers(1, 8))
    slots = ranks * (-(-experts // ranks) + draw(st.integers(0, 3)))
    kind = draw(st.sampled_from(["ints", "lognormal", "sparse", "constant", "huge", "hot", "denormal"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    load = {
        "ints": random.integers(0, 9, (3, experts)), "lognormal": random.lognormal(0, 1.5, (3, experts)),
        "sparse": random.lognormal(0, 1, (3, experts)) * (random.random((3, experts)) < 0.3),
        "constant": np.full((3, experts), 7), "huge": random.lognormal(0, 1, (3, experts)) * 1e295,
        "hot": random.lognormal(0, 4, (3, experts)), "denormal": random.integers(0, 9, (3, experts)) * 5e-324,
    }[kind]  # fmt: skip
    return load, slots, groups, nodes, ranks


@settings(max_examples=400, deadline=None)
@given(instances())
def test_valid_and_never_worse_than_the_greedy(arguments):
    instance = engine_instance(*arguments)
    found = refined(instance)
    assert found.violations(instance) == []
    assert (found.objective(instance) <= greedy(instance).objective(instance) * (1 + 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 6),
    st.integers(FULL_SPLITS + 1, 14),
    st.integers(0, 9),
    st.integers(0, 12),
)
def test_compiled_code_gives_the_same_bits(seed, ranks, each, redundant, steps):
    pytest.importorskip("numba")
    slots = ranks * each
    load = np.random.default_rng(seed).lognormal(0, 1.5, (3, slots - redundant))
    found = [refine_pools(load, slots, ranks, steps=steps, compiled=compiled) for compiled in (True, False)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("each", [each for each in SHAPES if each > FULL_SPLITS])
def test_compiled_code_gives_the_same_bits_in_every_shape(each):
    pytest.importorskip("numba")
    experts, slots, ranks = SHAPES[each]
    load = lognormal(5, experts, sigma=1.5)
    found = [refine_pools(load, slots, ranks, steps=9, compiled=compiled) for compiled in (True, False)]
    np.testing.assert_array_equal(*found)


@settings(max_examples=150, deadline=None)
@given(instances(), st.integers(0, 12), st.booleans())
def test_torch_gives_the_same_bits_as_numpy(arguments, steps, distinct):
    load, slots, groups, nodes, ranks = arguments
    instance = Instance(load, slots, num_groups=groups, num_nodes=nodes, num_ranks=ranks)
    size = (slots, instance.topology)
    if distinct and slots // instance.num_pools > load.shape[1] // instance.num_pools * (ranks // instance.num_pools):
        return
    found = refine_maps(instance.weight, *size, distinct=distinct, steps=steps)
    by_torch = refine_maps(torch.from_numpy(instance.weight.copy()), *size, distinct=distinct, steps=steps)
    np.testing.assert_array_equal(found, by_torch.numpy())


@pytest.mark.parametrize("shape", [*SHAPES.values(), (700, 900, 300), (600, 1200, 600), (1024, 1800, 360)])
def test_torch_gives_the_same_bits_as_numpy_in_every_shape(shape):
    experts, slots, ranks = shape
    load = lognormal(5, experts, sigma=1.5)
    expected = refine_pools(load, slots, ranks, steps=9)
    np.testing.assert_array_equal(refine_pools(torch.from_numpy(load), slots, ranks, steps=9).numpy(), expected)


@settings(max_examples=100, deadline=None)
@given(instances())
def test_distinct(arguments):
    load, slots, groups, nodes, ranks = arguments
    if slots // nodes > load.shape[1] // (nodes if nodes > 1 and groups % nodes == 0 else 1) * (ranks // nodes):
        return
    instance = Instance(load, slots, num_groups=groups, num_nodes=nodes, num_ranks=ranks, distinct=True)
    found = refined(instance)
    assert found.violations(instance) == []
    assert (found.objective(instance) <= greedy(instance).objective(instance) * (1 + 1e-12)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=2, max_size=5), st.integers(1, 3), st.integers(0, 1))
def test_never_below_the_brute_force_optimum(loads, ranks, more):
    slots = ranks * (-(-len(loads) // ranks) + more)
    instance = Instance([loads], slots, num_ranks=ranks)
    optimum = float(layer_optimum(tuple(map(float, loads)), slots, 1, 1, ranks))
    assert refined(instance).objective(instance)[0] >= optimum * (1 - 1e-12)


@pytest.mark.parametrize("each", SHAPES)
def test_every_number_of_slots_a_rank(each):
    experts, slots, ranks = SHAPES[each]
    load = lognormal(4, experts)
    start = heaviest_load(load, refine_pools(load, slots, ranks, steps=0), ranks)
    end = heaviest_load(load, refine_pools(load, slots, ranks, steps=24), ranks)
    assert (end <= start * (1 + 1e-4)).all()
    assert (end < start).any() or each == 1


@pytest.mark.parametrize("each", [3, 5, 8, 9, 13])
@pytest.mark.parametrize("step", [0, 1, 8])
def test_a_step_permutes_the_slots_and_never_raises_the_heaviest_rank(each, step):
    experts, slots, ranks = SHAPES[each]
    bits = expert_bits(experts)
    state = deal(replica_keys(lognormal(6, experts), slots, ranks, slots)[0], bits, ranks)
    heavy, partners = pairs(ranks, step)
    after = exchanges(state.copy(), bits, [(heavy, partners, 0)], 0)
    np.testing.assert_array_equal(*(np.sort(s.reshape(slots, -1), axis=0) for s in (state, after)))
    heaviest, was = ((s >> bits).sum(0).max(0) for s in (after, state))
    assert (heaviest <= was).all()
    assert (heaviest < was).any()


def test_packings_within_the_goal_stay_as_they_are():
    experts, slots, ranks = SHAPES[9]
    bits = expert_bits(experts)
    state = deal(replica_keys(lognormal(6, experts), slots, ranks, slots)[0], bits, ranks)
    heaviest = (state >> bits).sum(0).max(0)
    goal = np.where(np.arange(6) % 2, heaviest, 0)
    after = exchanges(state.copy(), bits, [(2, 1, 0)] * 3, goal)
    np.testing.assert_array_equal(after[:, :, 1::2], state[:, :, 1::2])
    assert ((after >> bits).sum(0).max(0)[::2] < heaviest[::2]).all()
    tensors = torch.from_numpy(state), bits, [(2, 1, 0)] * 3, torch.from_numpy(goal)
    np.testing.assert_array_equal(after, exchanges(*tensors))


@pytest.mark.parametrize("slots", range(3, FULL_SPLITS + 1))
def test_all_balanced_splits_of_a_pair_are_tried(slots):
    orders = splits(slots, None).swap.T.tolist()
    found = {frozenset([frozenset(o[:slots]), frozenset(o[slots:])]) for o in orders}
    expected = np.prod(range(slots + 1, 2 * slots + 1)) // np.prod(range(1, slots + 1)) // 2
    assert len(found) == expected
    assert orders[0] == list(range(2 * slots))


def test_the_result_of_a_layer_does_not_depend_on_its_batch():
    for experts, slots, ranks in SHAPES.values():
        load = lognormal(5, experts, sigma=1.5)
        alone = [refine_pools(row[None], slots, ranks) for row in load]
        np.testing.assert_array_equal(refine_pools(load, slots, ranks), np.concatenate(alone))


def test_scaling_all_loads_by_a_power_of_two_changes_nothing():
    load = lognormal(3, 64)
    expected = refine_maps(load, 80, Topology(num_ranks=16))
    for factor in (2.0**-900, 2.0**900):
        np.testing.assert_array_equal(refine_maps(load * factor, 80, Topology(num_ranks=16)), expected)


def test_more_steps_never_make_a_large_pool_worse():
    instance = Instance(lognormal(8, 128), 144, num_ranks=16)
    objectives = [refined(instance, steps=steps).objective(instance) for steps in (0, 4, 12, 32)]
    for fewer, more in pairwise(objectives):
        assert (more <= fewer * (1 + 2e-5)).all()
    assert objectives[-1].mean() < objectives[0].mean()


@settings(max_examples=200, deadline=None)
@given(instances())
def test_rank_loads_stay_within_the_range_of_exact_float32(arguments):
    load, slots, _, _, ranks = arguments
    bits = expert_bits(load.shape[1])
    for variants in (1, 8):
        keys, _ = replica_keys(np.asarray(load, dtype=np.float64), slots, ranks, slots, variants)
        state = deal(keys, bits, ranks)
        assert int((state >> bits).sum(0).max()) <= 4 * UNIT + 2 * state.shape[0]


def test_more_experts_than_a_key_holds_get_the_greedys_packing():
    load = np.ones((1, 1025))
    load[0, 7] = 1e4
    topology = Topology(num_ranks=513)
    expected = greedy_maps(torch.from_numpy(load), 1026, topology)
    np.testing.assert_array_equal(refine_maps(load, 1026, topology), expected.numpy())


def test_negative_options_are_refused():
    instance = Instance(lognormal(2, 64), 72, num_ranks=8)
    for options in ({"steps": -1}, {"greedy_check": -1e-3}, {"greedy_check": float("nan")}):
        with pytest.raises(OptionError, match=next(iter(options))):
            refined(instance, **options)


def test_without_the_comparison_the_map_is_the_heuristics_own():
    for each in SHAPES:
        experts, slots, ranks = SHAPES[each]
        instance = Instance(lognormal(40, experts, sigma=2.0), slots, num_ranks=ranks)
        alone = refined(instance, steps=1, greedy_check=math.inf)
        own = refine_maps(instance.weight, slots, instance.topology, steps=1)
        np.testing.assert_array_equal(alone.phy2log, fewer_repeats(instance.weight, own, ranks))
        compared = refined(instance, steps=1).objective(instance)
        assert (compared <= alone.objective(instance)).all()


def test_steps_are_an_option():
    weight = torch.from_numpy(lognormal(2, 64))
    few, many = (configure(POLICIES["refined"], steps=s).rebalance_experts(weight, 72, 1, 1, 8)[0] for s in (0, 12))
    assert not torch.equal(few, many)


@settings(max_examples=100, deadline=None)
@given(instances())
def test_the_heaviest_load_is_that_of_the_placement(arguments):
    instance = engine_instance(*arguments)
    placement = greedy(instance)
    expected = placement.objective(instance)
    found = heaviest_load(instance.weight, placement.phy2log, instance.num_ranks)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    tensors = torch.from_numpy(instance.weight.copy()), torch.from_numpy(placement.phy2log.copy())
    np.testing.assert_array_equal(heaviest_load(*tensors, instance.num_ranks).numpy(), found)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=16), st.integers(1, 5), st.integers(0, 2))
def test_the_greedy_objective_is_that_of_its_map(loads, ranks, more):
    slots = ranks * (-(-len(loads) // ranks) + more)
    instance = Instance([loads], slots, num_ranks=ranks)
    expected = greedy(instance).objective(instance)
    for compiled in (False, True):
        objective = greedy_objective(instance.weight.copy(), slots, instance.topology, compiled=compiled)
        np.testing.assert_allclose(objective, expected, rtol=1e-12)


@pytest.mark.recorded
def test_recorded_loads_are_within_a_thousandth_of_the_mean():
    load = recorded("deepseek_v3")[0]
    instance = Instance(load, 288, num_ranks=32)
    assert (refined(instance).objective(instance) <= instance.mean * 1.001).all()


CUDA_SHAPES = {  # slots a rank: (experts, slots, ranks, groups, nodes)
    1: (32, 40, 40, 8, 4), 2: (32, 40, 20, 8, 4), 3: (32, 48, 16, 8, 4), 9: (64, 72, 8, 1, 1), 8: (64, 64, 8, 4, 2),
}  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("each", CUDA_SHAPES)
def test_a_captured_call_gives_the_same_bits_again(each):
    experts, slots, ranks, groups, nodes = CUDA_SHAPES[each]
    size = (slots, Topology(num_ranks=ranks, num_groups=groups, num_nodes=nodes))
    loads = [lognormal(7, experts, sigma=1.5, seed=seed) for seed in range(3)]
    given_loads = torch.from_numpy(loads[0]).cuda()
    with torch.inference_mode():
        refine_maps(given_loads, *size)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = refine_maps(given_loads, *size)
        for load in loads[::-1]:
            given_loads.copy_(torch.from_numpy(load))
            graph.replay()
            np.testing.assert_array_equal(found.cpu().numpy(), refine_maps(load, *size))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_divides_as_numpy_does():
    load = np.random.default_rng(0).integers(0, 2**17, size=(40, 245)) * 2 + 1  # odd: halves, at a mean of 2^21
    load[:, 0] = 2**20
    load[:, 1:] += (49 * 2**21 - load.sum(1, keepdims=True)) // 488 * 2
    load[:, 1] += 49 * 2**21 - load.sum(1)  # and 2^21 is not 49 * 2^21 * (1 / 49)
    load = load.astype(np.float64)
    found = refine_maps(torch.from_numpy(load).cuda(), 245, Topology(num_ranks=49))
    np.testing.assert_array_equal(found.cpu().numpy(), refine_maps(load, 245, Topology(num_ranks=49)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("each", SHAPES)
def test_cuda_gives_the_same_bits(each):
    experts, slots, ranks = SHAPES[each]
    load = lognormal(7, experts, sigma=1.5)
    found = refine_pools(torch.from_numpy(load).cuda(), slots, ranks).cpu().numpy()
    np.testing.assert_array_equal(found, refine_pools(load, slots, ranks))


def test_maps_are_placements():
    weight = torch.from_numpy(lognormal(2, 32))
    phy2log, log2phy, count = POLICIES["refined"].rebalance_experts(weight, 40, 1, 1, 8)
    placement = Placement(phy2log.numpy(), 32)
    assert torch.equal(placement.maps()[1], log2phy)
    assert torch.equal(torch.from_numpy(placement.counts().copy()), count)

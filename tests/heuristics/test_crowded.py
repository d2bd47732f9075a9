"""Very hot experts: bounds on packings of given replicas, and what other counts make of such loads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance
from eplb_opt.heuristics import kernels as compiled_code
from eplb_opt.heuristics import pools
from eplb_opt.heuristics.crowded import is_crowded, num_tried, other_copies, packing_floors
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.greedy_check import heaviest_load, sharing_bound
from eplb_opt.heuristics.pools import refine_pools
from eplb_opt.heuristics.refine import refine_maps, refined
from eplb_opt.heuristics.replicas import replica_keys, whole_loads
from eplb_opt.problem.topology import Topology
from eplb_opt.problem.water_filling import water_filling

from ..conftest import engine_instance, recorded
from ..oracle import pool_optimum

SHAPES = {  # name: (experts, replicas, groups, nodes, ranks)
    "128 on 16": (128, 144, 1, 1, 16), "256 on 32": (256, 288, 1, 1, 32), "256 on 4 nodes": (256, 288, 8, 4, 32),
}  # fmt: skip
SMALL = [  # experts, slots, ranks
    (16, 24, 8), (20, 32, 8), (32, 40, 8), (30, 36, 6), (40, 49, 7), (64, 72, 8), (50, 52, 4), (64, 80, 2), (24, 48, 4),
]  # fmt: skip


def hot(shares: np.ndarray, experts: int, sigma: float, number: int = 1, seed: int = 0) -> np.ndarray:
    """Loads [layers, experts]: ``number`` experts have a share of each layer's tokens, the others the rest."""
    random = np.random.default_rng(seed)
    load = random.lognormal(0, sigma, (len(shares), experts))
    load *= (1 - shares[:, None]) / load.sum(axis=1, keepdims=True)
    for row, share in zip(load, shares, strict=True):
        row[random.choice(experts, number, replace=False)] += share / number
    return np.rint(load * 1e7)


def lower_bound(instance: Instance) -> np.ndarray:
    """The mean; in hierarchical mode that of the node with the heaviest group, if its other group is the lightest."""
    if not instance.hierarchical:
        return instance.mean
    groups = np.sort(instance.weight.reshape(instance.num_layers, instance.num_groups, -1).sum(axis=2), axis=1)
    return (groups[:, -1] + groups[:, 0]) / instance.ranks_per_pool


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("sigma", [0.0, 0.5])  # with more, the optimum is not always near the mean
def test_one_very_hot_expert_is_within_a_hundredth_of_the_optimum(name, sigma):
    experts, *topology = SHAPES[name]
    instance = engine_instance(hot(np.linspace(0.3, 0.99, 24), experts, sigma), *topology)
    found = refined(instance).objective(instance)
    assert (found <= lower_bound(instance) * 1.01).all()
    assert (greedy(instance).objective(instance) > lower_bound(instance) * 1.2).any()


@pytest.mark.parametrize("number", [2, 3, 5])
def test_some_hot_experts_are_near_the_optimum(number):
    instance = Instance(hot(np.linspace(0.5, 0.95, 10), 128, 0.5, number), 144, num_ranks=16)
    found = refined(instance).objective(instance) / instance.mean
    assert found.max() < 1.06  # here the heaviest replica is above the mean
    assert found.mean() < 1.026
    assert (greedy(instance).objective(instance) / instance.mean).max() > 1.3


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 3))
def test_no_packing_is_below_the_floors(loads, each, extra):
    """N3 and N4 of models/README.md."""
    ranks = len(loads)
    replicas = (loads * (each + extra))[: ranks * each]
    row = np.sort(np.array([replicas]), axis=1)
    optimum = pool_optimum(tuple(map(float, replicas)), ranks * each, ranks)
    if each > 1:
        assert max(int(found[0]) for found in packing_floors(row, ranks)) <= optimum
    assert sharing_bound(row[:, ::-1].astype(np.float64), ranks)[0] <= float(optimum) * (1 + 1e-12)


def test_the_floors_are_those_of_plain_code():
    random = np.random.default_rng(3)
    for ranks, each in [(4, 3), (3, 5), (1, 4), (5, 2)]:
        row = np.sort(random.integers(0, 50, ranks * each))
        heaviest = row[::-1]
        shared = max(
            int(heaviest[j * ranks - j : j * ranks + 1].sum() + row[: each - 1 - j].sum()) for j in range(1, each)
        )
        alone = max(int(heaviest[:k].sum() + row[: k * (each - 1)].sum()) // k for k in range(1, ranks + 1))
        assert [int(x[0]) for x in packing_floors(row[None], ranks)] == [shared, alone]


def test_the_counts_are_valid_and_fewer_for_the_hot_expert():
    load = hot(np.array([0.95, 0.6]), 64, 0.5)
    greedy_counts = water_filling(load, 72, 72).astype(np.float64)
    copies = other_copies(whole_loads(load), greedy_counts, 72, 8, 72)
    tried = num_tried(72, 8)
    assert copies.shape == (2 * tried, 8)
    hottest = load.argmax(axis=1)
    counts = np.stack([np.bincount(row, minlength=64) + 1 for row in copies]).reshape(tried, 2, 64)
    assert (counts.sum(axis=2) == 72).all()
    assert (greedy_counts[[0, 1], hottest] == 9).all()  # two of them on one of eight ranks
    assert (counts[:, [0, 1], hottest].max(axis=0) <= 9).all()
    assert (counts[:, [0, 1], hottest].min(axis=0) < 8).all()


@pytest.mark.recorded
def test_recorded_loads_are_not_crowded():
    load = recorded("deepseek_v3")[0].astype(np.float64)
    for slots, ranks in [(288, 32), (320, 64), (288, 72)]:
        keys, _ = replica_keys(load, slots, ranks, slots)
        assert not is_crowded(keys >> 8, ranks).any()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SMALL), st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 9))
def test_torch_and_plain_numpy_give_the_same_bits(shape, seed, distinct, steps):
    experts, slots, ranks = shape
    random = np.random.default_rng(seed)
    load = hot(random.uniform(0.2, 0.99, 4), experts, random.uniform(0, 3), int(random.integers(1, 4)), seed)
    most = min(slots, ranks) if distinct and slots <= experts * ranks else slots
    found = refine_pools(load, slots, ranks, max_count=most, steps=steps)
    by_torch = refine_pools(torch.from_numpy(load), slots, ranks, max_count=most, steps=steps)
    np.testing.assert_array_equal(by_torch.numpy(), found)
    plain = refine_pools(load, slots, ranks, max_count=most, steps=steps, compiled=False)
    np.testing.assert_array_equal(plain, found)
    counts = np.stack([np.bincount(row, minlength=experts) for row in found])
    assert counts.min() >= 1
    assert counts.max() <= most


def test_a_layer_does_not_depend_on_its_batch():
    load = hot(np.array([0.9, 0.05, 0.5, 0.0, 0.99]), 64, 0.7)
    together = refine_maps(load, 72, Topology(num_ranks=8))
    np.testing.assert_array_equal(
        together, np.concatenate([refine_maps(row[None], 72, Topology(num_ranks=8)) for row in load])
    )


def test_it_is_never_worse_than_without(monkeypatch):
    random = np.random.default_rng(7)
    for experts, slots, ranks in SMALL:
        load = hot(random.uniform(0.1, 0.99, 6), experts, 1.5, 2, experts)
        found = heaviest_load(load, refine_pools(load, slots, ranks), ranks)
        with monkeypatch.context() as without:
            without.setattr(pools, "is_crowded", lambda replicas, ranks: np.zeros(len(replicas), dtype=np.bool_))
            without.setattr(pools, "is_hot", lambda loads: np.zeros(len(loads), dtype=np.bool_))
            before = heaviest_load(load, refine_pools(load, slots, ranks), ranks)
        assert (found <= before * (1 + 1e-12)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("shape", [*SMALL[:7], (128, 144, 16), (256, 288, 32), (256, 320, 64)])
@pytest.mark.parametrize("kernels", [True, False])
def test_cuda_gives_the_same_bits(shape, kernels, monkeypatch):
    experts, slots, ranks = shape
    if not kernels:
        optional = compiled_code.optional
        monkeypatch.setattr(compiled_code, "optional", lambda name: None if name == "fused" else optional(name))
    shares = np.linspace(0, 0.99, 24)
    load = np.concatenate([hot(shares, experts, sigma, number, 5) for sigma, number in ((0.5, 1), (2.0, 2))])
    found = refine_pools(torch.from_numpy(load).cuda(), slots, ranks).cpu().numpy()
    np.testing.assert_array_equal(found, refine_pools(load, slots, ranks))

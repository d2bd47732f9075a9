"""Hierarchical mode: how groups are shared out among nodes."""

from __future__ import annotations

from functools import partial
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance
from eplb_opt.heuristics import nodes
from eplb_opt.heuristics.greedy_check import heaviest_load
from eplb_opt.heuristics.groups import share_out, ways
from eplb_opt.heuristics.pools import refine_pools
from eplb_opt.heuristics.refine import refined

from ..oracle import layer_optimum


@pytest.mark.parametrize(("groups", "nodes"), [(8, 4), (8, 2), (4, 2), (6, 3), (6, 2)])
def test_every_way_is_there_once(groups, nodes):
    sets, table = ways(groups, nodes, None)
    each = groups // nodes
    found = {frozenset(frozenset(sets[i].tolist()) for i in way) for way in table.tolist()}
    assert len(found) == len(table) == factorial(groups) // (factorial(each) ** nodes * factorial(nodes))
    assert all(frozenset.union(*way) == frozenset(range(groups)) for way in found)


@pytest.mark.parametrize(("groups", "nodes"), [(4, 4), (16, 4), (9, 3), (64, 8)])
def test_one_way_or_too_many_are_not_listed(groups, nodes):
    assert ways(groups, nodes, None) is None


def test_the_way_with_the_lightest_heaviest_rank_is_found():
    load = np.random.default_rng(4).lognormal(sigma=1.2, size=(5, 24)).round(2) * 100
    pack = partial(refine_pools, slots=16, ranks=8, steps=0)
    shared = share_out(load, 6, 3, pack, 8)
    sets, table = ways(6, 3, None)
    for layer, row in enumerate(load):

        def worst(nodes, row=row):
            loads = np.array([np.concatenate([row[4 * g : 4 * g + 4] for g in node]) for node in nodes])
            return heaviest_load(loads, pack(loads), 8).max()

        best = min(worst(sets[way]) for way in table)
        assert worst(shared[layer].reshape(3, 2)) == pytest.approx(best, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_torch_shares_out_the_same_way(seed, each):
    load = np.random.default_rng(seed).integers(0, 50, size=(4, 16)).astype(np.float64)
    pack = partial(refine_pools, slots=6 * each, ranks=6, steps=0)
    expected = share_out(load, 8, 4, pack, 6)
    np.testing.assert_array_equal(share_out(torch.from_numpy(load), 8, 4, pack, 6).numpy(), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=8, max_size=8), st.integers(0, 2))
def test_one_slot_a_rank_ends_at_the_optimum(loads, more):
    """Counts are exact there (X1 of models/README.md), so the sharing out is as well."""
    slots = 8 + 2 * more
    instance = Instance([loads], slots, num_groups=4, num_nodes=2, num_ranks=slots)
    optimum = float(layer_optimum(tuple(map(float, loads)), slots, 4, 2, slots))
    assert refined(instance).objective(instance)[0] <= optimum * (1 + 1e-9)


@pytest.mark.parametrize("each", [1, 2, 3])
def test_with_few_slots_packings_share_out_better_than_loads(each, monkeypatch):
    load = np.random.default_rng(8).lognormal(sigma=1.2, size=(20, 64))
    instance = Instance(load, 72, num_groups=8, num_nodes=4, num_ranks=72 // each)
    found = refined(instance).objective(instance)
    monkeypatch.setattr(nodes, "SHARED_SLOTS", 0)
    by_load = refined(instance).objective(instance)
    assert (found <= by_load * (1 + 1e-12)).all()
    assert found.sum() < 0.999 * by_load.sum()

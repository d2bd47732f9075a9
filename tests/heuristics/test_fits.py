"""Three slots a rank: packings by best fit, and what they gain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance
from eplb_opt.heuristics import fits_compiled, pools
from eplb_opt.heuristics.fits import AIMS, SPARE, fitted, with_fits
from eplb_opt.heuristics.greedy_check import heaviest_load
from eplb_opt.heuristics.pools import refine_pools
from eplb_opt.heuristics.refine import refined
from eplb_opt.heuristics.replicas import UNIT, expert_bits, replica_keys
from eplb_opt.heuristics.variants import num_fitted, num_variants

BITS = 5
LOAD = st.integers(0, UNIT) | st.integers(0, 2 * SPARE) | st.integers(UNIT - SPARE, UNIT)
LOADS = st.lists(LOAD, min_size=3, max_size=30).map(lambda x: x[: len(x) // 3 * 3])


def by_the_rule(keys: list[int], aim: int) -> list[list[int]]:
    """The keys of each rank: the heaviest, then the best pair, as the module's text says it."""
    left = sorted(keys)
    ranks = []
    while left:
        heaviest = left.pop()
        most = aim - (heaviest >> BITS)
        best = (-1, 0, 1)  # of equal sums the lightest first, then the heaviest that fits
        for i in range(len(left)):
            for j in range(i + 1, len(left)):
                total = (left[i] >> BITS) + (left[j] >> BITS)
                worth = (min(total, most - SPARE), -i, j)
                if total <= most and (best[0] == -1 or worth > (best[0], -best[1], best[2])):
                    best = (min(total, most - SPARE), i, j)
        _, i, j = best
        ranks.append([heaviest, left[i], left[j]])
        left = [key for place, key in enumerate(left) if place not in (i, j)]
    return ranks


def keys_of(rows: list[list[int]]) -> np.ndarray:
    """Keys [packings, slots] of loads, the place being the expert."""
    return np.array([[load << BITS | place for place, load in enumerate(row)] for row in rows], dtype=np.int32)


@settings(max_examples=100, deadline=None)
@given(LOADS, st.integers(1, 4))
def test_ranks_are_filled_by_the_rule(loads, variants):
    keys = keys_of([loads] * variants)
    found = fitted(keys, BITS, variants, None)
    for variant in range(variants):
        expected = by_the_rule(keys[variant].tolist(), AIMS[variant % len(AIMS)])
        assert found[:, :, variant].T.tolist() == expected


@settings(max_examples=100, deadline=None)
@given(LOADS, st.integers(1, 12))
def test_compiled_code_and_torch_give_the_same_bits(loads, variants):
    keys = keys_of([loads] * variants)
    plain = fitted(keys, BITS, variants, None)
    np.testing.assert_array_equal(fitted(keys, BITS, variants, fits_compiled), plain)
    by_torch = fitted(torch.from_numpy(keys), BITS, variants, None)
    np.testing.assert_array_equal(by_torch.numpy(), plain)


def test_the_best_third_is_added_with_its_units():
    loads = np.random.default_rng(0).lognormal(0, 1, (4, 20))
    keys, bounds = replica_keys(loads, 24, 8, 24, 6)
    units = bounds.reshape(6, 4) / bounds.min()
    packing = np.zeros((3, 8, 2 * 4), dtype=np.int32)
    more, their_units = with_fits(packing, keys, units, expert_bits(20), 6, None)
    assert more.shape == (3, 8, (2 + 2) * 4)
    assert their_units.shape == (2 + 2, 4)
    found = fitted(keys, expert_bits(20), 6, None)
    heaviest = (found >> expert_bits(20)).sum(axis=0).max(axis=0).reshape(6, 4) * units
    kept = (more[:, :, 8:] >> expert_bits(20)).sum(axis=0).max(axis=0).reshape(2, 4) * their_units[2:]
    np.testing.assert_allclose(kept, np.sort(heaviest, axis=0)[:2])


@pytest.mark.parametrize(
    ("slots", "ranks", "some"), [(72, 24, True), (192, 64, True), (64, 32, False), (513, 171, False)]
)
def test_which_pools_are_fitted(slots, ranks, some):
    assert (num_fitted(slots, ranks) > 0) == some
    assert not some or num_variants(slots, ranks) > 1


def test_three_slots_a_rank_end_nearer_to_the_mean(monkeypatch):
    """By a quarter at least, on loads of which the mean is a fair bound."""
    loads = np.random.default_rng(5).lognormal(0, 0.6, (12, 60))
    found = heaviest_load(loads, refine_pools(loads, 72, 24), 24) / loads.mean(axis=1) / 60 * 24 - 1
    monkeypatch.setattr(pools, "num_fitted", lambda slots, ranks: 0)
    without = heaviest_load(loads, refine_pools(loads, 72, 24), 24) / loads.mean(axis=1) / 60 * 24 - 1
    assert found.mean() < 0.75 * without.mean()


def test_without_redundancy_and_of_equal_loads():
    for loads in (np.ones((2, 24)), np.zeros((2, 24)), np.random.default_rng(1).random((2, 24))):
        instance = Instance(loads, 24, num_ranks=8)
        assert not refined(instance).violations(instance)

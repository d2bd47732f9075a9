"""Counts by water-filling against the published rule, one replica after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt.problem.water_filling import candidates, ordered_counts, water_filling

SUBNORMAL = 5e-324  # the smallest float: most of its quotients are 0
load = st.one_of(st.integers(0, 9).map(float), st.floats(0, 1e9), st.sampled_from([0.0, SUBNORMAL, 7 * SUBNORMAL]))


def counts_by_the_rules(loads, slots, most):
    counts = [1] * len(loads)
    for _ in range(slots - len(loads)):
        open_experts = [e for e in range(len(loads)) if counts[e] < most]
        counts[max(open_experts, key=lambda e: (loads[e] / counts[e], -e))] += 1
    return counts


def test_of_equal_loads_a_replica_the_lowest_expert_gets_the_next():
    assert water_filling(np.array([[4.0, 2.0], [2.0, 4.0]]), 4, 4).tolist() == [[3, 1], [2, 2]]
    assert water_filling(np.zeros((1, 3)), 9, 9).tolist() == [[7, 1, 1]]
    assert water_filling(np.zeros((1, 3)), 9, 4).tolist() == [[4, 4, 1]]


@settings(max_examples=500, deadline=None)
@given(st.lists(load, min_size=1, max_size=12), st.integers(0, 20), st.integers(1, 30))
def test_counts_follow_the_rules(loads, extra, most):
    slots = len(loads) + extra
    if most * len(loads) >= slots:
        assert water_filling(np.array([loads]), slots, most)[0].tolist() == counts_by_the_rules(loads, slots, most)


@settings(max_examples=500, deadline=None)
@given(st.lists(load, min_size=1, max_size=12), st.integers(1, 20))
def test_without_a_tie_descending_loads_give_the_same_counts(loads, extra):
    loads = sorted(loads, reverse=True)
    slots = len(loads) + extra
    counts, tied = ordered_counts(np.array([loads]), slots)
    assert tied[0] or counts[0].tolist() == counts_by_the_rules(loads, slots, slots)


@pytest.mark.parametrize("extra", [1, 2, 7, 30])
@pytest.mark.parametrize("experts", [1, 5, 12])
def test_candidates_are_the_pairs_within_the_product(experts, extra):
    within = [(i, k) for k in range(1, extra + 1) for i in range(experts) if (i + 1) * k <= extra]
    assert list(zip(*candidates(experts, extra, extra + 1), strict=True)) == within
    everything = [(i, k) for k in range(1, extra) for i in range(experts)]
    assert list(zip(*candidates(experts, extra, extra), strict=True)) == everything


def test_pools_do_not_interact():
    loads = np.random.default_rng(0).integers(0, 5, (40, 9)).astype(float)
    alone = [water_filling(row[None], 20, 20)[0] for row in loads]
    np.testing.assert_array_equal(water_filling(loads, 20, 20), alone)

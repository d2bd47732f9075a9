"""The estimate of the enumeration's tree, against the tree itself on a tiny pool."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.ablation import _count_vectors, _dive, _l1_allows
from eplb_opt.bounds.certificate import count_range
from eplb_opt.pool import Pool

from ..oracle import pool_optimum

POOL = Pool(np.array([9.0, 7.0, 4.0, 3.0, 2.0]), 9, 3)


def allowed(target):
    low, high = count_range(POOL, target)
    ranges = [range(a, b + 1) for a, b in zip(low, high, strict=True)]
    return [np.array(c) for c in itertools.product(*ranges) if sum(c) == POOL.slots]


@pytest.mark.parametrize("above", [1.0, 1.05, 1.2])
def test_counts_the_vectors_that_a_target_allows(above):
    target = POOL.mean * above
    assert _count_vectors(POOL, target) == len(allowed(target))


def test_estimate_is_right_on_average_and_the_optimum_is_not_left_out():
    target = float(pool_optimum(tuple(POOL.loads.tolist()), 9, 3)) * (1 + 1e-9)
    left = [c for c in allowed(target) if _l1_allows(POOL, target, c, c, [])]
    rng, cuts = np.random.default_rng(0), []
    estimates = [_dive(POOL, target, cuts, rng)[0] for _ in range(400)]
    assert 0 < len(left) < len(allowed(target))
    assert np.mean(estimates) == pytest.approx(len(left), rel=0.15)

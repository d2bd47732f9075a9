"""The proof by enumeration of counts, against plain enumeration in fractions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.bounds.mean import trivial_bound
from eplb_opt.exact import enumeration
from eplb_opt.exact.enumeration import METHOD, solve_enumeration
from eplb_opt.limits import Limits
from eplb_opt.outcome import StopReason
from eplb_opt.pool import Pool

from .oracle_counts import optimum
from .test_matching import any_packing, check

SHAPES = [(4, 6, 2), (3, 9, 3), (6, 9, 3), (5, 8, 2), (5, 8, 4), (4, 8, 2), (6, 6, 3), (3, 5, 1), (7, 9, 3)]
TINY = 1e-9  # gap 0 is proven to about 1e-11


@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_enumeration(shape):
    rng = np.random.default_rng(sum(shape))
    experts, slots, ranks = shape
    for i in range(24):
        loads = [rng.integers(0, 12, experts), rng.integers(0, 400, experts), rng.lognormal(0, 1.5, experts)][i % 3]
        pool = Pool(loads.astype(float), slots, ranks, distinct=bool(i % 2) and ranks > 1)
        gap = float(rng.choice([0.0, 1e-4, 1e-2]))
        outcome = solve_enumeration(pool, any_packing(pool), Limits(seconds=None, gap=gap))
        check(pool, outcome, optimum(loads, slots, ranks, pool.distinct), max(gap, TINY))


@pytest.mark.parametrize("loads", [[0.0] * 4, [5.0] * 4, [0, 0, 0, 9.0], [1e9, 1, 1, 1], [3, 3, 1, 1.0]])
def test_degenerate(loads):
    pool = Pool(np.array(loads), 8, 2)
    check(pool, solve_enumeration(pool, any_packing(pool), Limits(seconds=None)), optimum(loads, 8, 2), 1e-4)


def test_known_optimum():
    pool = Pool(np.array([600, 560, 120, 120, 20, 10, 10, 10.0]), 16, 8)
    outcome = solve_enumeration(pool, any_packing(pool), Limits(seconds=None, gap=0.0))
    assert outcome.bound_method == METHOD
    assert outcome.objective(pool) == pytest.approx(590 / 3, rel=1e-14)
    assert 590 / 3 * (1 - TINY) <= outcome.lower_bound <= 590 / 3


def test_count_vectors_left_open_are_decided(monkeypatch):
    monkeypatch.setattr(enumeration, "FIRST_NODES", 1)
    monkeypatch.setattr(enumeration, "MOST_OPEN", 3)
    rng = np.random.default_rng(5)
    for _ in range(10):
        loads = rng.lognormal(0, 1, 5)
        pool = Pool(loads, 9, 3)
        outcome = solve_enumeration(pool, any_packing(pool), Limits(seconds=None))
        check(pool, outcome, optimum(loads, 9, 3), 1e-4)


def test_potentials_prune_soundly():
    """Aggregate cuts of the design's section 3 as potentials: same answers."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        loads = rng.lognormal(0, 1.5, 5)
        pool = Pool(loads, 9, 3)
        start, slots_per_rank = any_packing(pool), 3
        limit = start.objective(pool)
        k = np.arange(1, pool.max_count + 1)
        value = loads[:, None] / k
        tables = []
        for v, u in [(0.6, 0.2), (0.8, 0.1), (0.55, 0.3)]:
            v, u = v * limit, u * limit
            heavy = (value >= v) * (loads[:, None] + (slots_per_rank - 1) * k * u - limit * k)
            tables.append(np.hstack([np.zeros((5, 1)), heavy - k * np.maximum(0, u - value)]))
        outcome = solve_enumeration(pool, start, Limits(seconds=None), potentials=tables)
        check(pool, outcome, optimum(loads, 9, 3), 1e-4)


def test_an_impossible_potential_prunes_everything():
    pool = Pool(np.array([5, 4, 3.0]), 6, 2)
    start = any_packing(pool)
    outcome = solve_enumeration(pool, start, Limits(seconds=None, gap=1e-4), potentials=[np.ones((3, 5))])
    assert np.array_equal(outcome.packing.experts, start.experts)


def test_deterministic_and_limits():
    pool = Pool(np.random.default_rng(0).lognormal(0, 1, 16), 32, 8)
    start = any_packing(pool)
    work = Limits(seconds=None, work=0.5)
    first, second = (solve_enumeration(pool, start, work) for _ in range(2))
    assert first.stop is StopReason.WORK
    assert np.array_equal(first.packing.experts, second.packing.experts)
    assert first.lower_bound == trivial_bound(pool)[0]
    assert first.objective(pool) < start.objective(pool)
    assert solve_enumeration(pool, start, Limits(seconds=0.01)).stop is StopReason.TIME

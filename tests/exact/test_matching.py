"""The exact method for one or two slots a rank, against plain enumeration in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("highspy")

from eplb_opt.errors import SolverError
from eplb_opt.exact.matching import SINGLE, solve_matching, water_filling
from eplb_opt.exact.pairing import pair_counts
from eplb_opt.limits import Limits
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.problem.status import StopReason

from .oracle_counts import count_vectors, least_heaviest, optimum

EXACT = Limits(seconds=None, gap=0.0)
ROUNDING = 1e-12


def any_packing(pool):
    """Some valid packing: water-filling counts, or nearly equal ones, dealt round-robin."""
    for counts in (water_filling(pool), np.diff(np.linspace(0, pool.slots, pool.num_experts + 1).astype(int))):
        experts = np.repeat(np.arange(pool.num_experts), counts).reshape(-1, pool.ranks).T
        if not Packing(experts).violations(pool):
            return Packing(experts)
    raise AssertionError("no start")


def check(pool, outcome, best, gap=0.0):
    objective = outcome.objective(pool)
    assert not outcome.packing.violations(pool)
    assert outcome.stop is StopReason.GAP, outcome.note
    assert Fraction(outcome.lower_bound) <= best
    assert float(best) * (1 - ROUNDING) <= objective <= float(best) * (1 + gap + ROUNDING)
    assert objective <= outcome.lower_bound * (1 + gap + ROUNDING)


def draw(rng, slots_per_rank):
    ranks = int(rng.integers(1, 6))
    slots = slots_per_rank * ranks
    experts = int(rng.integers(1, slots + 1))
    kinds = [
        lambda: rng.integers(0, 10, experts),
        lambda: rng.integers(0, 300, experts),
        lambda: rng.lognormal(0, 1.5, experts),
        lambda: np.full(experts, rng.integers(0, 4)),
        lambda: rng.lognormal(0, 1, experts) * (rng.random(experts) < 0.7),
        lambda: 2.0 ** rng.integers(0, 6, experts),
    ]
    loads = kinds[rng.integers(len(kinds))]()
    distinct = bool(rng.random() < 0.5) and slots <= experts * ranks
    return Pool(loads.astype(float), slots, ranks, distinct)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("slots_per_rank", [1, 2])
def test_agrees_with_enumeration(seed, slots_per_rank):
    rng = np.random.default_rng(100 * slots_per_rank + seed)
    for _ in range(40):
        pool = draw(rng, slots_per_rank)
        gap = float(rng.choice([0.0, 1e-4, 1e-2]))
        outcome = solve_matching(pool, any_packing(pool), Limits(seconds=None, gap=gap))
        check(pool, outcome, optimum(pool.loads, pool.slots, pool.ranks, pool.distinct), gap)


@pytest.mark.parametrize("distinct", [False, True])
def test_pairing_is_best_for_every_count_vector(distinct):
    rng = np.random.default_rng(3)
    impossible = 0
    for _ in range(25):
        experts, ranks = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        if experts > 2 * ranks:
            continue
        pool = Pool(rng.integers(0, 30, experts).astype(float), 2 * ranks, ranks, distinct)
        for counts in count_vectors(experts, 2 * ranks):
            replicas = [(Fraction(int(w)) / c, e) for e, (w, c) in enumerate(zip(pool.loads, counts, strict=True))]
            replicas = [r for r, c in zip(replicas, counts, strict=True) for _ in range(c)]
            worst = Fraction(10**6)
            best = least_heaviest(replicas, ranks, 2, distinct, worst)
            packing = pair_counts(pool, np.array(counts))
            if best == worst:
                impossible += 1
                assert packing is None
            else:
                assert not packing.violations(pool)
                assert packing.objective(pool) == pytest.approx(float(best), rel=1e-12, abs=0)
    assert bool(impossible) == distinct


def test_known_optimum():
    pool = Pool(np.array([600, 560, 120, 120, 20, 10, 10, 10.0]), 16, 8)
    outcome = solve_matching(pool, any_packing(pool), EXACT)
    check(pool, outcome, Fraction(590, 3))


@pytest.mark.parametrize("loads", [[0.0] * 4, [5.0] * 4, [7.0], [0, 0, 0, 9.0], [1e9, 1, 1, 1], [1e-200, 2e-200]])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_degenerate(loads, ranks):
    if len(loads) > 2 * ranks:
        return
    pool = Pool(np.array(loads), 2 * ranks, ranks)
    check(pool, solve_matching(pool, any_packing(pool), EXACT), optimum(loads, 2 * ranks, ranks))


def test_single_slot_is_water_filling():
    pool = Pool(np.array([90, 40, 30, 5.0]), 7, 7)
    outcome = solve_matching(pool, any_packing(pool), EXACT)
    assert outcome.method == SINGLE
    assert outcome.objective(pool) == outcome.lower_bound == 30


def test_deterministic_and_limits():
    pool = Pool(np.random.default_rng(0).lognormal(0, 1.5, 24), 48, 24)
    start = any_packing(pool)
    first, second = (solve_matching(pool, start, Limits(seconds=None)) for _ in range(2))
    assert np.array_equal(first.packing.experts, second.packing.experts)
    assert first.lower_bound == second.lower_bound
    for limits, stop in [(Limits(seconds=1e-9), StopReason.TIME), (Limits(seconds=None, work=1e-9), StopReason.WORK)]:
        early = solve_matching(pool, start, limits)
        assert early.stop is stop
        assert not early.packing.violations(pool)
        assert early.lower_bound <= first.objective(pool) <= early.objective(pool) <= start.objective(pool)


def test_three_slots_are_refused():
    pool = Pool(np.ones(3), 6, 2)
    with pytest.raises(SolverError, match="3 slots a rank"):
        solve_matching(pool, any_packing(pool), EXACT)

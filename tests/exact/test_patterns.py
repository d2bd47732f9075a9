"""The proof by rank patterns, against plain enumeration in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.budget import Budget
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.certificates.names import COVER
from eplb_opt.exact import cover as patterns
from eplb_opt.exact.cover import decide, solve_patterns
from eplb_opt.limits import Limits
from eplb_opt.problem.pool import Pool
from eplb_opt.problem.status import StopReason

from .oracle_counts import count_vectors, least_heaviest, optimum
from .test_matching import any_packing, check


@pytest.mark.parametrize("seed", range(6))
def test_a_window_holds_just_the_counts_near(seed):
    rng = np.random.default_rng(seed)
    loads = rng.integers(1, 60, 4)
    pool = Pool(loads.astype(float), 8, 2)
    near = np.array(list(count_vectors(4, 8))[seed * 5])
    exact = [Fraction(int(w)) for w in loads]
    best = min(
        least_heaviest([(w / c, e) for e, (w, c) in enumerate(zip(exact, counts, strict=True)) for _ in range(c)],
                       2, 4, False, Fraction(10**6))
        for counts in count_vectors(4, 8) if np.abs(np.array(counts) - near).max() <= 1
    )  # fmt: skip
    assert decide(pool, float(best) * (1 - 1e-9), Budget(), near=near, width=1).impossible
    found = decide(pool, float(best) * (1 + 1e-9), Budget(), near=near, width=1).packing
    assert np.abs(found.counts(pool) - near).max() <= 1


@pytest.mark.parametrize("loads", [[0.0] * 4, [5.0] * 4, [0, 0, 0, 9.0], [1e9, 1, 1, 1], [3, 3, 1, 1.0]])
def test_degenerate(loads):
    pool = Pool(np.array(loads), 8, 2)
    check(pool, solve_patterns(pool, any_packing(pool), Limits(seconds=None)), optimum(loads, 8, 2), 1e-4)


@pytest.mark.parametrize("power", [-300, -9, 12, 300])
def test_scaling_by_a_power_of_two(power):
    loads = np.random.default_rng(1).lognormal(0, 1, 6)
    pool, scaled = Pool(loads, 12, 4), Pool(np.ldexp(loads, power), 12, 4)
    first, second = (solve_patterns(p, any_packing(p), Limits(seconds=None)) for p in (pool, scaled))
    assert np.array_equal(first.packing.experts, second.packing.experts)
    assert np.ldexp(first.lower_bound, power) == second.lower_bound


def test_known_optimum():
    pool = Pool(np.array([600, 560, 120, 120, 20, 10, 10, 10.0]), 16, 8)
    outcome = solve_patterns(pool, any_packing(pool), Limits(seconds=None, gap=0.0))
    assert outcome.bound_method == COVER
    assert outcome.objective(pool) == pytest.approx(590 / 3, rel=1e-14)
    assert 590 / 3 * (1 - 1e-9) <= outcome.lower_bound <= 590 / 3


def test_patterns_are_all_contents_within_the_limits():
    rng = np.random.default_rng(2)
    for distinct in (False, True):
        pool = Pool(rng.integers(1, 50, 4).astype(float), 9, 3, distinct)
        model = patterns.rank_model(pool, pool.mean * 1.3)
        types, load = patterns.list_all(pool, model, 10_000)
        found = [tuple(sorted(row)) for row in types]
        expected = []
        for row in itertools.combinations_with_replacement(range(model.item.size), 3):
            experts, counts = model.expert[list(row)], model.count[list(row)]
            one_count = all(counts[i] == counts[j] for i in range(3) for j in range(3) if experts[i] == experts[j])
            few = all(row.count(t) <= (1 if distinct else model.count[t]) for t in row)
            extra = sum(model.count[t] - model.least[model.expert[t]] for t in set(row))
            total = model.item[list(row)].sum()
            if one_count and few and extra <= model.spare and model.limit - model.slack <= total <= model.limit:
                expected.append(row)
        assert sorted(found) == sorted(expected)
        assert len(found) > 10
        assert (np.diff(load) <= 0).all()


def test_pausing_changes_nothing(monkeypatch):
    pool = Pool(np.random.default_rng(3).lognormal(0, 1, 12), 24, 8)
    whole = decide(pool, pool.mean * 1.01, Budget())
    monkeypatch.setattr(patterns, "CHUNK", 50)
    parts = decide(pool, pool.mean * 1.01, Budget())
    assert parts.ticks == whole.ticks > 500
    assert parts.impossible == whole.impossible
    assert whole.impossible or np.array_equal(parts.packing.experts, whole.packing.experts)


def test_too_many_patterns(monkeypatch):
    monkeypatch.setattr(patterns, "MOST_PATTERNS", 20)
    pool = Pool(np.random.default_rng(0).lognormal(0, 1, 12), 24, 8)
    start = any_packing(pool)
    outcome = solve_patterns(pool, start, Limits(seconds=None, gap=1e-2))
    assert outcome.stop is StopReason.TOO_LARGE
    assert outcome.lower_bound >= trivial_bound(pool)[0]
    assert outcome.objective(pool) <= start.objective(pool)


def test_deterministic_and_limits():
    pool = Pool(np.random.default_rng(0).lognormal(0, 1, 32), 48, 16)
    start = any_packing(pool)
    work = Limits(seconds=None, work=0.02)
    first, second = (solve_patterns(pool, start, work) for _ in range(2))
    assert first.stop is StopReason.WORK
    assert first.lower_bound == second.lower_bound > trivial_bound(pool)[0]
    assert np.array_equal(first.packing.experts, second.packing.experts)
    late = solve_patterns(pool, start, Limits(seconds=0.001))
    assert late.stop is StopReason.TIME


def test_a_bound_of_the_caller_is_kept():
    pool = Pool(np.array([600, 560, 120, 120, 20, 10, 10, 10.0]), 16, 8)
    outcome = solve_patterns(pool, any_packing(pool), Limits(seconds=None), 590 / 3 * (1 - 5e-5))
    assert outcome.stop is StopReason.GAP
    assert outcome.objective(pool) == pytest.approx(590 / 3)

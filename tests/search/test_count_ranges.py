"""The search over ranges of counts: valid, never worse, reproducible, and it finds what annealing does not."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.budget import Budget
from eplb_opt.exact.targets import Verdict
from eplb_opt.problem.pool import Pool
from eplb_opt.problem.status import StopReason
from eplb_opt.search import count_ranges
from eplb_opt.search.count_ranges import search_count_ranges

from .test_search import dealt, optimum, random_pool


@pytest.mark.parametrize("distinct", [False, True])
def test_finds_the_optimum_of_tiny_pools(distinct):
    rng = np.random.default_rng(3 + distinct)
    for _ in range(6):
        pool = random_pool(rng, 5, 9, 3, distinct)
        best = optimum(pool)
        found = search_count_ranges(pool, dealt(pool), target=best * (1 + 1e-9), budget=Budget(work=5_000_000))
        assert not found.violations(pool)
        assert found.objective(pool) == pytest.approx(best)


def test_reproducible_and_never_worse():
    pool = random_pool(np.random.default_rng(0), 16, 32, 8)
    start = dealt(pool)
    first, second = (
        search_count_ranges(pool, start, target=pool.mean, budget=Budget(work=2_000_000), seed=5) for _ in range(2)
    )
    assert np.array_equal(first.experts, second.experts)
    assert not first.violations(pool)
    again = search_count_ranges(pool, first, target=pool.mean, budget=Budget(work=400_000), seed=6)
    assert again.objective(pool) <= first.objective(pool) < start.objective(pool)
    assert search_count_ranges(pool, first, target=first.objective(pool), budget=Budget(work=10**6)) is first


def test_stops_at_the_deadline():
    pool = random_pool(np.random.default_rng(1), 24, 48, 16)
    found = search_count_ranges(pool, dealt(pool), target=pool.mean, budget=Budget.of_seconds(0.05))
    assert not found.violations(pool)


def test_narrows_then_gives_up_where_patterns_are_too_many(monkeypatch):
    widths = []

    def too_large(pool, aim, budget, near, width):
        widths.append(width)
        return Verdict(None, False, 0.0, StopReason.TOO_LARGE)

    monkeypatch.setattr(count_ranges, "decide", too_large)
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    search_count_ranges(pool, dealt(pool), target=1e-3, budget=Budget(work=10**8))
    assert widths == [1, 0]


def test_ranges_as_narrow_as_before_stay_where_wider_ones_are_too_large(monkeypatch):
    widths = []

    def too_large_from_two(pool, aim, budget, near, width):
        widths.append(width)
        return Verdict(None, False, 1e6, StopReason.TOO_LARGE if width > 1 else StopReason.WORK)

    monkeypatch.setattr(count_ranges, "decide", too_large_from_two)
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    search_count_ranges(pool, dealt(pool), target=1e-3, budget=Budget(work=5_000_000))
    assert widths[:2] == [1, 2]
    assert set(widths[2:]) == {1}
    assert len(widths) > 6


@pytest.mark.parametrize("distinct", [False, True])
def test_counts_of_the_linear_program_fill_the_slots(distinct):
    rng, filled = np.random.default_rng(7), 0
    for _ in range(10):
        pool = random_pool(rng, 9, 18, 6, distinct)
        run = count_ranges._Run(pool, dealt(pool), pool.mean, Budget(work=10**7))
        counts = run.program(0.5, rng)
        if counts is not None:
            filled += 1
            assert counts.sum() == pool.slots
            assert counts.min() >= 1
            assert counts.max() <= pool.max_count
            assert (pool.loads / counts).max() <= run.bracket.upper
    assert filled >= 5


def test_linear_program_without_a_solution_gives_no_counts():
    pool = Pool(np.array([4.0, 4.0, 4.0, 1.0]), 4, 2)  # one rank carries 8, the mean is 6.5
    run = count_ranges._Run(pool, dealt(pool), pool.mean, Budget(work=10**7))
    assert run.program(1.0, np.random.default_rng(0)) is None


def test_counts_of_the_linear_program_differ_and_are_reproducible():
    pool = random_pool(np.random.default_rng(2), 32, 48, 16)
    run = count_ranges._Run(pool, dealt(pool), pool.mean * 1.002, Budget(work=10**7))
    drawn = [run.program(1.0, np.random.default_rng(seed)) for seed in (0, 0, 1, 2)]
    assert all(counts is not None for counts in drawn)
    assert np.array_equal(drawn[0], drawn[1])
    assert not all(np.array_equal(drawn[0], other) for other in drawn[2:])

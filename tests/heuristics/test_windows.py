"""The search over windows of counts: valid, never worse, reproducible, and it finds what annealing does not."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.exact.patterns import Answer
from eplb_opt.heuristics import windows
from eplb_opt.heuristics.windows import window_search
from eplb_opt.outcome import StopReason
from eplb_opt.pool import Pool

from .test_search import dealt, optimum, random_pool


@pytest.mark.parametrize("distinct", [False, True])
def test_finds_the_optimum_of_tiny_pools(distinct):
    rng = np.random.default_rng(3 + distinct)
    for _ in range(6):
        pool = random_pool(rng, 5, 9, 3, distinct)
        best = optimum(pool)
        found = window_search(pool, dealt(pool), target=best * (1 + 1e-9), work=5_000_000)
        assert not found.violations(pool)
        assert found.objective(pool) == pytest.approx(best)


def test_reproducible_and_never_worse():
    pool = random_pool(np.random.default_rng(0), 16, 32, 8)
    start = dealt(pool)
    first, second = (window_search(pool, start, target=pool.mean, work=2_000_000, seed=5) for _ in range(2))
    assert np.array_equal(first.experts, second.experts)
    assert not first.violations(pool)
    again = window_search(pool, first, target=pool.mean, work=400_000, seed=6)
    assert again.objective(pool) <= first.objective(pool) < start.objective(pool)
    assert window_search(pool, first, target=first.objective(pool), work=10**6) is first


def test_stops_at_the_deadline():
    pool = random_pool(np.random.default_rng(1), 24, 48, 16)
    found = window_search(pool, dealt(pool), target=pool.mean, deadline=time.monotonic() + 0.05)
    assert not found.violations(pool)


def test_narrows_then_gives_up_where_patterns_are_too_many(monkeypatch):
    widths = []

    def too_large(pool, aim, deadline, ticks, near, width):
        widths.append(width)
        return Answer(None, False, 0.0, StopReason.TOO_LARGE)

    monkeypatch.setattr(windows, "decide", too_large)
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    window_search(pool, dealt(pool), target=1e-3, work=10**8)
    assert widths == [1, 0]

"""Covers: packings within the limit, with counts near the given ones; of them the one that windows show to be even."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Instance, Objective
from eplb_opt.budget import Budget
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.search.covers import Covers, least_cover, search_covers


def of_windows(seed: int, distinct: bool = False) -> tuple[Pool, Packing]:
    """A pool with windows, and the greedy's packing of the sum."""
    load = np.random.default_rng(seed).lognormal(0, 1, (12, 1, 12))
    instance = Instance(load, 24, num_ranks=6, distinct=distinct, objective=Objective("mean"))
    return instance.pool(0), Packing(greedy(instance).phy2log[0].reshape(6, 4))


@pytest.mark.parametrize("distinct", [False, True])
def test_every_cover_is_within_the_limit_and_near_the_counts(distinct):
    pool, start = of_windows(1, distinct)
    most = pool.mean * 1.02
    covers = Covers(pool, most, start.counts(pool))
    random = np.random.default_rng(0)
    found = [packing for packing in (covers.near(random) for _ in range(20)) if packing is not None]
    assert len({packing.experts.tobytes() for packing in found}) > 1
    for packing in found:
        assert packing.violations(pool) == []
        assert packing.objective(pool.mix) <= most * (1 + 1e-12)
        assert np.abs(packing.counts(pool) - start.counts(pool)).max() <= 1


def test_some_ranks_are_kept_and_one_is_not():
    pool, start = of_windows(2)
    covers = Covers(pool, pool.mean * 1.02, start.counts(pool))
    first = covers.near(np.random.default_rng(0))
    assert first is not None
    covers = Covers(pool, pool.mean * 1.02, first.counts(pool))
    contents = {tuple(row) for row in np.sort(first.experts, axis=1).tolist()}
    rows = covers.rows_of(first)
    assert rows is not None
    found = [covers.beside(rows, np.random.default_rng(seed), 2, 50_000) for seed in range(20)]
    others = [packing for packing in found if packing is not None]
    assert others
    for packing in others:
        held = [tuple(row) for row in np.sort(packing.experts, axis=1).tolist()]
        assert 2 <= sum(row in contents for row in held) < 6
        assert packing.violations(pool) == []


def test_the_least_cover_is_never_worse_and_always_the_same():
    pool, start = of_windows(3)
    most = start.objective(pool.mix)
    one, two = (
        least_cover(pool, start, start.counts(pool), most=most, searches=30, seed=1, is_over=lambda: False)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.experts, two.experts)
    assert one.objective(pool) < start.objective(pool)
    assert one.objective(pool.mix) <= most
    late = least_cover(pool, start, start.counts(pool), most=most, searches=30, seed=1, is_over=lambda: True)
    assert late is start


def test_too_many_contents_and_limits_that_nothing_keeps():
    loads = np.random.default_rng(4).lognormal(0, 1, 60)
    large = Pool(loads, 96, 12)
    start = Packing(greedy(Instance(loads[None], 96, num_ranks=12)).phy2log[0].reshape(12, 8))
    most = start.objective(large)
    assert Covers(large, most, start.counts(large)).is_empty
    assert search_covers(large, start, target=most, budget=Budget(work=1e6)) is start
    pool, start = of_windows(5)
    below = pool.mean * 0.9
    nothing = Covers(pool, below, start.counts(pool))
    assert nothing.is_empty
    assert nothing.near(np.random.default_rng(0)) is None
    assert nothing.rows_of(start) is None


def test_a_packing_within_the_target_or_the_start():
    pool, start = of_windows(6)
    plain = pool.mix
    found = search_covers(plain, start, target=plain.mean * 1.003, budget=Budget(work=1e7))
    assert found.objective(plain) <= plain.mean * 1.003 < start.objective(plain)
    assert search_covers(plain, start, target=plain.mean, budget=Budget(work=1e6)) is start


def test_no_cover_is_found_where_brute_force_finds_none():
    """Two slots a rank, three ranks: all packings of all counts near the greedy's."""
    random = np.random.default_rng(7)
    for _ in range(20):
        loads = random.integers(1, 9, 4).astype(float)
        pool = Pool(loads, 6, 3)
        counts = np.array([2, 2, 1, 1])
        heaviest = [
            Packing(np.array(slots).reshape(3, 2)).objective(pool)
            for near in itertools.product(*([max(count - 1, 1), count, count + 1] for count in counts))
            if sum(near) == 6
            for slots in set(itertools.permutations(np.repeat(np.arange(4), near).tolist()))
        ]
        for most in (min(heaviest), min(heaviest) * 0.999):
            start = Packing(np.repeat(np.arange(4), counts).reshape(3, 2))
            found = search_covers(pool, start, target=most, budget=Budget(work=3e6))
            assert (found.objective(pool) <= most) == (most in heaviest)

"""The offline search: valid, never worse, reproducible, and near the optimum on pools that brute force can solve."""

from __future__ import annotations

import functools
import itertools
import time

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.budget import Budget
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.search.search import compile_kernels, search


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compile_kernels()


def dealt(pool):
    """A valid start that knows no loads: replicas in cyclic order of the experts, dealt over the ranks."""
    experts = np.arange(pool.slots) % pool.num_experts
    if pool.distinct:
        counts = np.bincount(experts, minlength=pool.num_experts)
        order = np.repeat(np.arange(pool.num_experts), counts)  # equal ones meet different ranks: counts <= ranks
        return Packing(order.reshape(-1, pool.ranks).T.copy())
    return Packing(experts.reshape(pool.ranks, -1).copy())


def random_pool(rng, experts, slots, ranks, distinct=False):
    return Pool(rng.lognormal(3, 1, experts).round(), slots, ranks, distinct)


def optimum(pool):
    """Least heaviest rank over all counts and all packings, in whole numbers: loads times a common multiple."""
    unit = int(np.lcm.reduce(np.arange(1, pool.max_count + 1)))
    spare, best = pool.slots - pool.num_experts, None
    for extra in itertools.combinations_with_replacement(range(pool.num_experts), spare):
        counts = [1 + extra.count(e) for e in range(pool.num_experts)]
        if max(counts) > pool.max_count:
            continue
        replicas = [(int(w) * unit // k, e) for e, (w, k) in enumerate(zip(pool.loads, counts, strict=True))]
        items = sorted(itertools.chain.from_iterable([r] * k for r, k in zip(replicas, counts, strict=True)))[::-1]
        value = least_maximum(tuple(items), pool.ranks, pool.slots_per_rank, pool.distinct)
        best = value if best is None or (value is not None and value < best) else best
    return best / unit


def least_maximum(items, ranks, slots, distinct):
    @functools.cache
    def best(i, state):
        if i == len(items):
            return max(load for load, _ in state)
        found = []
        for r, (load, held) in enumerate(state):
            if len(held) < slots and not (distinct and items[i][1] in held):
                rank = (load + items[i][0], (*held, items[i][1]))
                found.append(best(i + 1, tuple(sorted((*state[:r], rank, *state[r + 1 :])))))
        return min((value for value in found if value is not None), default=None)

    return best(0, ((0, ()),) * ranks)


SHAPES = [
    (64, 72, 8), (32, 64, 16), (32, 48, 16), (32, 64, 32), (32, 32, 8), (40, 40, 40), (20, 40, 40), (5, 60, 6),
    (2, 64, 8), (1, 8, 4), (1, 1, 1), (7, 12, 1), (12, 12, 1), (3, 4, 2), (2, 2, 2), (6, 6, 3), (300, 360, 60),
]  # fmt: skip


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize(("experts", "slots", "ranks"), SHAPES)
def test_valid_and_never_worse(experts, slots, ranks, distinct):
    if distinct and slots > experts * ranks:
        pytest.skip("no such pool")
    rng = np.random.default_rng(experts)
    pool = random_pool(rng, experts, slots, ranks, distinct)
    start = dealt(pool)
    assert start.violations(pool) == []
    found = search(pool, start, target=0.0, budget=Budget(work=300_000), seed=1)
    assert found.violations(pool) == []
    assert trivial_bound(pool)[0] <= found.objective(pool) <= start.objective(pool)


@pytest.mark.parametrize("distinct", [False, True])
def test_bit_identical_without_deadline(distinct):
    pool = random_pool(np.random.default_rng(5), 32, 48, 16, distinct)
    start = dealt(pool)
    first, second = (search(pool, start, target=0.0, budget=Budget(work=3_000_000), seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.experts, second.experts)
    other = search(pool, start, target=0.0, budget=Budget(work=3_000_000), seed=8)
    assert (other.experts != first.experts).any()


def test_start_is_not_changed():
    pool = random_pool(np.random.default_rng(6), 32, 40, 8)
    start = dealt(pool)
    kept = start.experts.copy()
    start.experts.setflags(write=False)
    search(pool, start, target=0.0, budget=Budget(work=200_000))
    np.testing.assert_array_equal(start.experts, kept)


def test_closes_the_gap_at_nine_slots():
    pool = Pool(np.random.default_rng(8).lognormal(3, 1, 64), 72, 8)
    target = pool.mean * (1 + 1e-4)
    assert search(pool, dealt(pool), target=target, budget=Budget(work=30_000_000)).objective(pool) <= target


def test_leaves_the_plateau_of_an_expert_that_has_most_of_the_load():
    loads = np.floor(np.random.default_rng(3).lognormal(0, 1.5, 24) * 1e4)  # one expert has 74 % of them
    pool = Pool(loads, 48, 16)
    start = dealt(pool)
    best = search(pool, start, target=pool.mean, budget=Budget(work=12_000_000))
    assert best.objective(pool) < 1.01 * pool.mean < start.objective(pool)


def test_stops_at_the_target():
    pool = random_pool(np.random.default_rng(9), 64, 128, 16)
    start = dealt(pool)
    assert search(pool, start, target=start.objective(pool), budget=Budget(work=10**9)) is start
    tick = time.monotonic()
    assert search(pool, start, target=pool.mean * 1.01, budget=Budget(work=10**10)).objective(pool) <= pool.mean * 1.01
    assert time.monotonic() - tick < 5


def test_deadline_is_kept():
    pool = random_pool(np.random.default_rng(10), 1024, 2048, 512)
    start = dealt(pool)
    for seconds in (-1.0, 0.0, 0.3):
        tick = time.monotonic()
        found = search(pool, start, target=0.0, budget=Budget(deadline=tick + seconds))
        assert time.monotonic() - tick < max(seconds, 0) + 0.3  # 0.05 on a quiet machine
        assert found.violations(pool) == []


@pytest.mark.parametrize("shape", [(8, 16, 4), (8, 8, 4), (8, 8, 8), (1, 4, 2)])
def test_all_zero_loads(shape):
    pool = Pool(np.zeros(shape[0]), *shape[1:])
    start = dealt(pool)
    assert search(pool, start, target=0.0, budget=Budget(work=10**9)) is start


@pytest.mark.parametrize(
    "loads", [[0, 0, 0, 5.0], [5e-324] * 4, [1e-300] * 4, [1e300, 1, 0, 0], [3.0] * 4, [1e15, 1e15, 1, 1]]
)
def test_strange_loads(loads):
    pool = Pool(np.array(loads), 8, 4)
    start = dealt(pool)
    found = search(pool, start, target=0.0, budget=Budget(work=100_000))
    assert found.violations(pool) == []
    assert found.objective(pool) <= start.objective(pool)


def test_one_slot_a_rank_is_optimal():
    pool = random_pool(np.random.default_rng(11), 20, 40, 40)
    assert search(pool, dealt(pool), target=0.0, budget=Budget(work=1)).objective(pool) == pytest.approx(
        trivial_bound(pool)[0]
    )


def test_known_answer():
    pool = Pool(np.array([600.0, 560, 120, 120, 20, 10, 10, 10]), 16, 8)
    assert search(pool, dealt(pool), target=0.0, budget=Budget(work=5_000_000)).objective(pool) == pytest.approx(
        590 / 3
    )


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize(
    ("experts", "slots", "ranks"), [(4, 6, 2), (4, 6, 3), (4, 8, 4), (5, 8, 2), (6, 9, 3), (6, 6, 2), (7, 8, 4)]
)
def test_meets_the_optimum_of_tiny_pools(experts, slots, ranks, distinct):
    rng = np.random.default_rng(experts * 100 + slots)
    for _ in range(3):
        pool = random_pool(rng, experts, slots, ranks, distinct)
        best = optimum(pool)
        found = search(pool, dealt(pool), target=best * (1 + 1e-12), budget=Budget(work=3_000_000)).objective(pool)
        assert found == pytest.approx(best, rel=1e-9)

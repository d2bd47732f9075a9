"""The enumeration of counts, and the prices that it leaves counts out by, against plain enumeration in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.exclusion import learn_prices
from eplb_opt.bounds.separation import Grid
from eplb_opt.budget import Budget
from eplb_opt.certificates.cuts import exact_range
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.exact import counts as module
from eplb_opt.exact import fixed_counts
from eplb_opt.exact.counts import METHOD, count_vectors, decide_counts, solve_counts
from eplb_opt.exact.counts_kernel import LEAF_STEPS, NEVER, Counts, cheapest, tree_size
from eplb_opt.limits import Limits
from eplb_opt.methods.run import run
from eplb_opt.methods.task import Task
from eplb_opt.problem.pool import Pool
from eplb_opt.problem.status import StopReason
from models.export import assignment

from ..bounds.test_cuts import solutions
from .test_matching import any_packing
from .test_targets import decides_beside_the_optimum


@pytest.mark.parametrize("seed", range(6))
def test_leaves_that_the_first_packing_leaves_open_are_decided_by_turns(seed, monkeypatch):
    monkeypatch.setattr(module, "FIRST", 1)
    monkeypatch.setattr(fixed_counts, "FIRST", 1)
    decides_beside_the_optimum(decide_counts, seed)


@pytest.mark.parametrize("seed", range(8))
def test_no_price_excludes_the_counts_of_a_packing(seed):
    rng = np.random.default_rng(seed)
    excluded = 0
    for i in range(4):
        pool = Pool(rng.lognormal(0, 1.5, 5), 9, 3, distinct=bool(i % 2))
        known = solutions(pool)
        for factor in (0.9999, 1.0001, 1.1):
            target = Grid(pool.mean).up(float(min(known.values())) * factor)
            ranges = exact_range(pool, target)
            if ranges is None:
                assert min(known.values()) > Fraction(target)
                continue
            prices = learn_prices(pool, target, *ranges, 40, 200)
            for counts, value in known.items():
                at = np.array(counts) - ranges[0]
                inside = bool((at >= 0).all() and (np.array(counts) <= ranges[1]).all())
                cost = prices.cost[:, np.arange(5), at].sum(axis=1) if inside else prices.most + 1
                if value <= Fraction(target):
                    assert inside
                    assert (cost <= prices.most).all()
                excluded += bool((cost > prices.most).any())
    assert excluded > 100  # the prices do say something


def test_exact_range_holds_the_counts_of_every_packing():
    pool = Pool(np.array([7.0, 3.0, 2.0, 0.0]), 8, 4)
    least, top = exact_range(pool, 3.5)
    assert least.tolist() == [2, 1, 1, 1]
    assert top.tolist() == [5, 4, 4, 4]
    assert exact_range(pool, 2.999999) is None  # the mean
    assert exact_range(Pool(np.array([9.0, 1.0, 1.0]), 4, 4), 4.4) is None  # three replicas of the first do not suffice


def test_counts_and_their_costs_are_added_up_like_plain_enumeration():
    rng = np.random.default_rng(1)
    low, options, spare = np.array([1, 2, 1, 1]), np.array([3, 2, 4, 1]), 4
    every = [c for c in itertools.product(*map(range, options)) if sum(c) == spare]
    assert count_vectors(low, low + options - 1, int(low.sum()) + spare) == len(every)
    assert count_vectors(np.ones(64, np.int64), np.full(64, 4), 255) == 64  # all but one have four: no cancellation
    assert count_vectors(np.ones(256, np.int64), np.full(256, 4), 800) == pytest.approx(3.1e134, rel=0.02)
    cost = rng.integers(-50, 50, (2, 4, 4))
    rest = cheapest(cost, options, spare)
    for v, e, q in itertools.product(range(2), range(5), range(spare + 1)):
        tails = [t for t in itertools.product(*map(range, options[e:])) if sum(t) == q]
        least = min((sum(cost[v, e + i, j] for i, j in enumerate(t)) for t in tails), default=NEVER)
        assert rest[v, e, q] == least
    at = Counts(np.zeros(2, np.int64), np.full(5, -1), np.full(5, spare), np.zeros((5, 2), np.int64))
    limit = np.full(2, 10**6)  # nothing is excluded but what does not fill the slots
    size = tree_size(cost, limit, rest, options, 1000, 4000, np.zeros(1, np.uint64), at)
    assert size == pytest.approx(len(every) * 1000 * LEAF_STEPS, rel=0.1)


@pytest.mark.parametrize("distinct", [False, True])
def test_the_portfolio_proves_pools_of_few_counts(distinct):
    loads = np.floor(np.random.default_rng(3).lognormal(0, 1.5, 24) * 1e4)  # one expert has 74 % of them
    pool = Pool(loads, 32, 8, distinct)
    start = assignment(pool).incumbent
    assert start.objective(pool) > cut_bound(pool, start.objective(pool))[0] * 1.01
    outcome = run("optimal", Task(pool, start, trivial_bound(pool)[0], Limits(seconds=None, work=2.0)))
    assert outcome.stop is StopReason.GAP
    assert outcome.objective(pool) <= outcome.lower_bound * (1 + 1e-4)
    assert outcome.bound_method == METHOD


def test_limits_end_the_search_without_a_claim_and_work_is_deterministic():
    pool = Pool(np.random.default_rng(3).lognormal(0, 1, 24), 32, 8)
    start = any_packing(pool)
    none = decide_counts(pool, pool.mean * 1.01, Budget(work=0.0))
    assert not none.impossible
    assert none.packing is None
    first, second = (solve_counts(pool, start, Limits(seconds=None, work=0.3)) for _ in range(2))
    assert (first.packing.experts == second.packing.experts).all()
    assert first.lower_bound == second.lower_bound
    too_many = solve_counts(
        Pool(np.ones(64) + np.arange(64), 128, 32), any_packing(Pool(np.ones(64), 128, 32)), Limits()
    )
    assert too_many.stop is StopReason.TOO_LARGE

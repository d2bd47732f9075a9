"""The two proofs by enumeration through one suite, against plain enumeration in fractions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.budget import Budget
from eplb_opt.exact.counts import decide_counts, solve_counts
from eplb_opt.exact.cover import decide, solve_patterns
from eplb_opt.limits import Limits
from eplb_opt.problem.pool import Pool
from eplb_opt.problem.status import StopReason

from .oracle_counts import optimum
from .test_matching import any_packing, check

SHAPES = [(4, 6, 2), (3, 9, 3), (6, 9, 3), (5, 8, 2), (5, 8, 4), (4, 8, 2), (6, 6, 3), (3, 5, 1), (7, 9, 3), (4, 5, 5)]
TINY = 1e-9  # gap 0 is proven to about 1e-12
SOLVERS = {"rank patterns": solve_patterns, "count enumeration": solve_counts}
DECIDERS = {"rank patterns": decide, "count enumeration": decide_counts}


def drawn(rng, experts, i):
    return [rng.integers(0, 12, experts), rng.integers(0, 400, experts), rng.lognormal(0, 1.5, experts)][i % 3]


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_enumeration(shape, name):
    rng = np.random.default_rng(sum(shape))
    experts, slots, ranks = shape
    for i in range(24):
        loads = drawn(rng, experts, i)
        pool = Pool(loads.astype(float), slots, ranks, distinct=bool(i % 2) and experts * ranks >= slots)
        gap = float(rng.choice([0.0, 1e-4, 1e-2]))
        outcome = SOLVERS[name](pool, any_packing(pool), Limits(seconds=None, gap=gap))
        check(pool, outcome, optimum(loads, slots, ranks, pool.distinct), max(gap, TINY))


def decides_beside_the_optimum(decide_within, seed):
    """Impossible just below the optimum, a packing just above it; also used for other settings of a method."""
    rng = np.random.default_rng(seed)
    for i in range(8):
        loads = drawn(rng, 5, i) + 1
        pool = Pool(loads.astype(float), 9, 3, distinct=bool(i % 2))
        best = optimum(loads, 9, 3, pool.distinct)
        below = decide_within(pool, float(best) * (1 - 1e-9), Budget())
        above = decide_within(pool, float(best) * (1 + 1e-9), Budget())
        assert below.impossible
        assert below.packing is None
        assert not above.packing.violations(pool)
        assert above.packing.objective(pool) == pytest.approx(float(best), rel=1e-9)


@pytest.mark.parametrize("name", DECIDERS)
@pytest.mark.parametrize("seed", range(8))
def test_decides_targets_beside_the_optimum(seed, name):
    decides_beside_the_optimum(DECIDERS[name], seed)


@pytest.mark.parametrize("name", DECIDERS)
def test_fractions_of_a_tick_end_the_search_too(name):
    rigid = Pool(2.0 * np.arange(40, 88) + (np.arange(48) == 0), 48, 12)
    for ticks in (0.5, 16e6 + 0.5):
        assert DECIDERS[name](rigid, rigid.mean + 0.9, Budget(work=ticks)).stop is StopReason.WORK

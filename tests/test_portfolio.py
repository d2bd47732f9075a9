"""What the layer tells a task, its bound and objective, against plain enumeration in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.bounds.mean import trivial_bound
from eplb_opt.limits import Limits
from eplb_opt.pool import Pool
from eplb_opt.portfolio import Task, run

from .exact.oracle_counts import optimum
from .exact.test_matching import any_packing

LIMITS = Limits(seconds=None, work=2.0, gap=1e-4)
SHAPES = [(4, 6, 3), (5, 8, 4), (4, 9, 3), (5, 6, 2), (3, 4, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_bounds_are_valid_whatever_target_and_cutoff(shape):
    rng = np.random.default_rng(sum(shape))
    experts, slots, ranks = shape
    for _ in range(12):
        loads = rng.integers(1, 200, experts)
        pool, best = Pool(loads.astype(float), slots, ranks), optimum(loads, slots, ranks)
        target, cutoff = float(best) * rng.uniform(0.8, 1.2), float(best) * rng.uniform(0.9, 1.3)
        task = Task(pool, any_packing(pool), trivial_bound(pool)[0], LIMITS, 0, target, cutoff)
        outcome = run("optimal", task)
        objective = outcome.packing.objective(pool)
        assert outcome.note == ""
        assert not outcome.packing.violations(pool)
        assert Fraction(outcome.lower_bound or 0) <= best
        assert float(best) * (1 - 1e-12) <= objective <= task.incumbent.objective(pool)
        lower = max(outcome.lower_bound or 0, task.lower_bound, target)
        assert min(objective, cutoff) <= lower * (1 + LIMITS.gap) * (1 + 1e-12)  # else there was more to do


def test_nothing_is_done_for_a_pool_that_cannot_matter():
    pool = Pool(np.array([9.0, 5.0, 4.0, 3.0, 2.0]), 9, 3)
    start, lower = any_packing(pool), trivial_bound(pool)[0]
    good_enough = run("optimal", Task(pool, start, lower, LIMITS, 0, target=start.objective(pool)))
    hopeless = run("optimal", Task(pool, start, lower, LIMITS, 0, cutoff=lower))
    for outcome in (good_enough, hopeless):
        assert outcome.packing is start
        assert outcome.lower_bound is None or outcome.lower_bound <= start.objective(pool)

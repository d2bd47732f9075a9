"""The bound of the heaviest rank within some moves against brute force over all maps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ortools")
pytest.importorskip("pulp")
pytest.importorskip("numba")

from eplb_opt.bounds.moves import pattern_moves_bound
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.moves.load_bound import least_load_bound

from ..moves_oracle import least_load
from ..moves_soundness import random_case


@pytest.mark.parametrize("seed", range(20))
def test_never_above_the_least_load(seed):
    case = random_case(np.random.default_rng([9, seed]))
    pool, held, best = case.pool, case.held, case.best
    lower, _ = trivial_bound(pool)
    upper = float(max(best.values()))
    for most in range(pool.slots + 1):
        first = least_load_bound(pool, held, most, lower, upper)
        second = least_load_bound(pool, held, most, lower, upper, pattern_moves_bound)
        assert lower <= first <= second <= upper
        least = least_load(best, most)
        assert least is None or second <= least


def test_it_says_more_than_bounds_without_a_limit():
    """With the fewest moves that any map takes, four of ten pools cannot be as light as without a limit."""
    said = 0
    for seed in range(10):
        case = random_case(np.random.default_rng([10, seed]))
        lower, _ = trivial_bound(case.pool)
        few, least = min(case.best.items())
        bound = least_load_bound(case.pool, case.held, few, lower, float(least), pattern_moves_bound)
        said += bound > max(float(min(case.best.values())), lower) * (1 + 1e-4)
    assert said == 4


def test_nothing_to_look_for():
    case = random_case(np.random.default_rng(0))
    assert least_load_bound(case.pool, case.held, 0, 3.0, 3.0) == 3.0
    assert least_load_bound(case.pool, case.held, 0, 3.0, 2.0) == 3.0

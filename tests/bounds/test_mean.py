"""L0 against brute force, and its rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt.certificates.mean import floor_float, max_replica_bound, mean_bound, trivial_bound
from eplb_opt.problem.pool import Pool

from ..oracle import count_vectors, pool_optimum

LOADS = st.lists(st.floats(0, 1e6) | st.integers(0, 50).map(float), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(LOADS, st.integers(1, 3), st.integers(0, 1), st.booleans())
def test_bounds_hold_exactly(loads, ranks, extra, distinct):
    slots = ranks * (-(-len(loads) // ranks) + extra)
    distinct = distinct and slots <= len(loads) * ranks
    pool = Pool(np.array(loads), slots, ranks, distinct)
    optimum = pool_optimum(tuple(loads), slots, ranks, distinct)
    assert Fraction(mean_bound(pool)) <= optimum
    assert Fraction(max_replica_bound(pool)) <= optimum


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=5), st.integers(0, 5), st.booleans())
def test_max_replica_bound_is_the_best_count_vectors(loads, extra, distinct):
    slots = len(loads) + extra
    pool = Pool(np.array(loads, dtype=float), slots, slots, distinct)  # one slot a rank
    best = min(max(Fraction(w, c) for w, c in zip(loads, counts, strict=True))
               for counts in count_vectors(len(loads), slots, slots))  # fmt: skip
    assert float(best) == pytest.approx(max_replica_bound(pool), rel=1e-15)
    assert Fraction(max_replica_bound(pool)) <= best


def test_rounding_is_downwards():
    third = floor_float(Fraction(1, 3))
    assert Fraction(third) <= Fraction(1, 3) < Fraction(math.nextafter(third, 1))
    assert floor_float(Fraction(5)) == 5


def test_the_larger_one_is_named():
    assert trivial_bound(Pool(np.array([6.0, 1, 1]), 4, 2)) == (4.0, "L0a mean")
    assert trivial_bound(Pool(np.array([9.0, 1, 1]), 3, 3)) == (9.0, "L0b max replica")

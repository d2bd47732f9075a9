"""The bound of the moves from rank contents: never above the fewest, never below the bound without a solver."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("highspy")

from eplb_opt import InstanceError, SolverError
from eplb_opt.bounds import moves as prover
from eplb_opt.bounds import moves_lp
from eplb_opt.bounds.moves import pattern_moves_bound
from eplb_opt.budget import Budget
from eplb_opt.highs import collected_failures
from eplb_opt.moves.bound import fewest_moves_bound
from eplb_opt.problem.pool import Pool

from ..moves_oracle import fewest_moves
from ..moves_soundness import ROUNDING, random_case

POOL = Pool(np.array([9.0, 8, 7, 6, 5, 4, 3, 2, 2, 1]), 15, 5)
HELD = np.array([[e in rank for e in range(10)] for rank in ({0, 1, 9}, {0, 2}, {3, 4, 5}, {5, 6}, {7, 8, 9})])
TARGET = 9.6
FEWEST = 4  # what both solvers of exact/moves*.py prove


@pytest.mark.parametrize("seed", range(40))
def test_between_the_other_bound_and_the_fewest_moves(seed):
    case = random_case(np.random.default_rng([6, seed]))
    pool, held = case.pool, case.held
    for load in sorted(set(case.best.values())):
        target = float(load * (1 + ROUNDING))
        fewest = fewest_moves(case.best, Fraction(target))
        assert fewest_moves_bound(pool, held, target) <= pattern_moves_bound(pool, held, target) <= fewest
    below = float(min(case.best.values())) * (1 - 1e-9)
    assert pattern_moves_bound(pool, held, below) <= pool.slots + 1


def test_more_than_without_a_solver():
    assert fewest_moves_bound(POOL, HELD, TARGET) < pattern_moves_bound(POOL, HELD, TARGET) <= FEWEST


@pytest.mark.parametrize("seed", range(10))
def test_any_multipliers_prove_what_is_true(seed):
    random = np.random.default_rng(seed)
    case = random_case(np.random.default_rng([7, seed]))
    load = sorted(case.best.values())[int(random.integers(len(case.best)))]
    target = float(load * (1 + ROUNDING))
    fewest = fewest_moves(case.best, Fraction(target))
    model = prover.rank_model(case.pool, target) if load else None
    if model is None:
        pytest.skip("nothing was routed")
    contents = prover._contents(case.pool, model, case.held)
    for size in (0.0, 0.1, 1.0, 10.0):
        assert contents.proven(random.normal(0, size, model.item.size)) <= fewest


def test_columns_generated_or_all_at_once_prove_the_same(monkeypatch):
    monkeypatch.setattr(prover, "START", 10**9)
    whole = pattern_moves_bound(POOL, HELD, TARGET)
    for start, at_once in ((1, 1), (1, 8)):
        monkeypatch.setattr(prover, "START", start)
        monkeypatch.setattr(prover, "AT_ONCE", at_once)
        assert pattern_moves_bound(POOL, HELD, TARGET) == whole


def test_it_ends_early(monkeypatch):
    first = fewest_moves_bound(POOL, HELD, TARGET)
    assert pattern_moves_bound(POOL, HELD, TARGET, Budget.of_seconds(1e-9)) == first
    assert pattern_moves_bound(POOL, HELD, TARGET, enough=first) == first
    assert pattern_moves_bound(POOL, HELD, math.inf) == fewest_moves_bound(POOL, HELD, math.inf)
    monkeypatch.setattr(prover, "MOST_PATTERNS", 10)
    assert pattern_moves_bound(POOL, HELD, TARGET) == first


def test_targets_out_of_reach():
    nowhere = POOL.slots + 1
    assert pattern_moves_bound(POOL, HELD, POOL.mean * (1 - 1e-9)) == nowhere
    pairs = Pool(np.array([3.0, 3.0, 1.0, 1.0]), 4, 2)  # three with one is the best rank, and exactly the mean
    assert pattern_moves_bound(pairs, np.eye(2, 4, dtype=bool), 4.0) == 2
    odd = Pool(np.array([3.0, 3.0, 3.0, 1.0]), 4, 2)  # no two of them weigh 4 to 5.5
    assert pattern_moves_bound(odd, np.eye(2, 4, dtype=bool), 5.5) == odd.slots + 1


def test_a_linear_program_that_fails_costs_what_it_would_have_proven(monkeypatch):
    def fail(*_):
        raise SolverError("no luck")

    monkeypatch.setattr(moves_lp, "run_highs", fail)
    with pytest.raises(SolverError, match="no luck"):
        pattern_moves_bound(POOL, HELD, TARGET)
    with collected_failures() as causes:
        assert pattern_moves_bound(POOL, HELD, TARGET) == fewest_moves_bound(POOL, HELD, TARGET)
    assert causes == ["no luck"]


def test_what_does_not_fit():
    with pytest.raises(InstanceError, match="shape"):
        pattern_moves_bound(POOL, HELD.T, TARGET)

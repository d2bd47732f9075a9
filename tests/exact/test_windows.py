"""Methods over windows against brute force in exact fractions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ortools")
pytest.importorskip("pulp")
pytest.importorskip("numba")

from eplb_opt import Instance, Limits, Objective, solve
from eplb_opt.budget import Budget
from eplb_opt.exact.assignment import Assignment
from eplb_opt.exact.symmetry import kinds
from eplb_opt.foresight.search import search_windows
from eplb_opt.problem.pool import Packing

from .. import windows_soundness as soundness
from ..windows_oracle import across_windows, windows_optimum


@pytest.mark.parametrize("number", range(40))
def test_methods_agree_with_brute_force(number):
    instance = soundness.random_instance(np.random.default_rng([11, number]))
    found, _ = soundness.faults(instance, soundness.optimum_of(instance))
    assert found == []


def test_the_optimum_of_the_sum_is_not_that_of_the_windows():
    """Experts 0 and 1 are hot together: apart, every window is even; the sum cannot tell."""
    loads = [[[9.0, 9.0, 1.0, 1.0]], [[1.0, 1.0, 9.0, 9.0]]]
    instance = Instance(loads, 4, num_ranks=2, objective=Objective("mean"))
    flat = [window[0] for window in loads]
    assert windows_optimum(flat, [1, 1], 4, 2, False, "mean", 0.0) == 1
    for method in ("milp", "cpsat", "optimal"):
        result = solve(instance, method, Limits(seconds=None, work=1.0))
        assert result.objective.tolist() == pytest.approx([1.0])


def test_the_oracle_by_hand():
    shares = [0.5, 0.25, 0.25]
    assert across_windows([1.0, 2.0, 3.0], shares, "mean", 0) == 1.75
    assert across_windows([1.0, 2.0, 3.0], shares, "cvar", 0.5) == 2.5
    assert across_windows([1.0, 2.0, 3.0], shares, "max", 0) == 3.0


def test_experts_are_alike_only_if_they_are_in_every_window():
    """Equal in the mix: exchanging them would change both windows."""
    loads = [[[3.0, 1.0, 2.0, 2.0]], [[1.0, 3.0, 2.0, 2.0]]]
    pool = Instance(loads, 6, num_ranks=2, objective=Objective("mean")).pool(0)
    assert pool.loads[0] == pool.loads[1]
    kind = kinds(pool)
    assert kind[0] != kind[1]
    assert kind[2] == kind[3]
    start = Packing(np.array([[0, 1, 2], [0, 3, 2]]))
    assert list(Assignment.of(pool, start).equal_loads()) == [(2, 3)]
    assert list(Assignment.of(pool.mix, start).equal_loads()) == [(0, 1), (1, 2), (2, 3)]


def test_the_search_is_never_worse_keeps_its_budget_and_repeats():
    load = np.random.default_rng(5).lognormal(0, 1, (12, 1, 24))
    pool = Instance(load, 32, num_ranks=8, objective=Objective("cvar", level=0.5)).pool(0)
    start = Packing((np.arange(32) % 24).reshape(8, 4))
    budget = Budget(work=3e6)
    found = search_windows(pool, start, target=0.0, budget=budget, seed=1)
    assert not found.violations(pool)
    assert found.objective(pool) < start.objective(pool)
    assert 0 <= budget.work < 3e6
    again = search_windows(pool, start, target=0.0, budget=Budget(work=3e6), seed=1)
    np.testing.assert_array_equal(found.experts, again.experts)
    other = search_windows(pool, start, target=0.0, budget=Budget(work=3e6), seed=2)
    assert (other.experts != found.experts).any()
    assert search_windows(pool, start, target=100.0, budget=Budget(work=3e6), seed=1) is start
    assert search_windows(pool.mix, start, target=0.0, budget=Budget(work=3e6), seed=1) is start


def test_more_work_is_never_worse():
    load = np.random.default_rng(6).lognormal(0, 1, (12, 2, 24))
    instance = Instance(load, 32, num_ranks=8, objective=Objective("mean"))
    refined = solve(instance, "refined").objective
    optimal = solve(instance, "optimal", Limits(seconds=None, work=0.2))
    assert (optimal.objective <= refined).all()
    assert optimal.objective.mean() < refined.mean()
    assert (optimal.lower_bound <= optimal.objective).all()

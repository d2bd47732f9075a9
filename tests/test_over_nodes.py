"""`optimal` over windows of several nodes: valid, never worse than `refined`, its bound below every map."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("ortools")

from eplb_opt import Instance, Limits, Objective, SolveInterrupted, solve

from .windows_oracle import nodes_optimum

WORK = Limits(seconds=None, work=0.05)
NODES = {"num_ranks": 8, "num_groups": 8, "num_nodes": 4}


def of_kinds(windows: int, layers: int, seed: int) -> np.ndarray:
    """Windows of four kinds of traffic."""
    random = np.random.default_rng(seed)
    kinds = random.lognormal(0, 1, (4, layers, 32))
    return kinds[np.arange(windows) % 4] * random.lognormal(0, 0.2, (windows, layers, 32))


@pytest.mark.parametrize("across", ["mean", "cvar", "max"])
def test_never_worse_than_refined_and_mostly_better(across):
    instance = Instance(of_kinds(12, 3, 1), 48, **NODES, objective=Objective(across, level=0.5))
    refined = solve(instance, "refined")
    result = solve(instance, "optimal", Limits(seconds=None, work=0.5))
    result.placement.require_valid(instance)
    assert (result.objective <= refined.objective).all()
    assert result.objective.mean() < refined.objective.mean()
    assert (result.lower_bound <= result.objective).all()
    assert (result.lower_bound >= refined.lower_bound * (1 - 1e-12)).all()


@pytest.mark.parametrize("number", range(12))
def test_the_bound_and_the_map_against_brute_force(number):
    random = np.random.default_rng([13, number])
    windows, experts = int(random.integers(2, 4)), int(random.choice([4, 6]))
    load = random.lognormal(0, 1.2, (windows, 1, experts))
    across = ("mean", "cvar", "max")[number % 3]
    distinct = number % 2 == 1
    instance = Instance(
        load, 8, num_ranks=4, num_groups=experts, num_nodes=2, distinct=distinct, objective=Objective(across, level=0.5)
    )
    optimum = float(nodes_optimum(load[:, 0].tolist(), 8, 4, distinct, across, 0.5))
    result = solve(instance, "optimal", Limits(seconds=None, work=0.2, gap=0.0))
    result.placement.require_valid(instance)
    assert result.lower_bound[0] <= optimum * (1 + 1e-9)
    assert optimum * (1 - 1e-9) <= result.objective[0] <= optimum * 1.1


def test_the_same_map_whatever_the_workers_and_within_a_time_limit():
    instance = Instance(of_kinds(6, 3, 2), 48, **NODES, objective=Objective("mean"))
    one, two = (solve(instance, "optimal", Limits(seconds=None, work=0.05, workers=n)) for n in (1, 2))
    np.testing.assert_array_equal(one.placement.phy2log, two.placement.phy2log)
    timed = solve(instance, "optimal", Limits(seconds=2, workers=2))
    timed.placement.require_valid(instance)


def test_a_warm_start_that_is_better_is_kept():
    instance = Instance(of_kinds(6, 2, 3), 48, **NODES, objective=Objective("mean"))
    best = solve(instance, "optimal", Limits(seconds=None, work=0.5))
    again = solve(instance, "optimal", Limits(seconds=None, work=0.001), warm_start=best.placement)
    assert (again.objective <= best.objective * (1 + 1e-12)).all()


def test_more_groups_than_can_be_enumerated():
    load = np.random.default_rng(4).lognormal(0, 1, (4, 2, 64))
    instance = Instance(load, 96, num_ranks=16, num_groups=32, num_nodes=8, objective=Objective("mean"))
    result = solve(instance, "optimal", WORK)
    result.placement.require_valid(instance)
    assert (result.objective <= solve(instance, "refined").objective).all()
    assert (result.lower_bound <= result.objective).all()


def test_an_interrupt_keeps_the_plan_over_windows(monkeypatch):
    instance = Instance(of_kinds(6, 2, 5), 48, **NODES, objective=Objective("mean"))

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("eplb_opt.solver.run_tasks", interrupted)
    with pytest.raises(SolveInterrupted) as caught:
        solve(instance, "optimal", WORK)
    planned = solve(instance, "refined").placement
    np.testing.assert_array_equal(caught.value.result.placement.phy2log, planned.phy2log)


def test_silent_windows_and_silent_layers():
    load = of_kinds(4, 2, 6)
    load[1] = 0
    load[:, 1] = 0
    instance = Instance(load, 48, **NODES, objective=Objective("mean"))
    result = solve(instance, "optimal", WORK)
    result.placement.require_valid(instance)
    assert result.objective[1] == solve(instance, "refined").objective[1]

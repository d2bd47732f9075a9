"""Methods in time against brute force; what a cost changes, and what does not go with one yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ortools")
pytest.importorskip("pulp")
pytest.importorskip("numba")

from eplb_opt import Cost, Instance, InstanceError, Limits, Objective, OptionError, Placement, solve
from eplb_opt.budget import Budget
from eplb_opt.certificates.names import SPARE_REPLICA
from eplb_opt.claims.verify import verify
from eplb_opt.costs.plan import plan_in_time
from eplb_opt.costs.search import search_times
from eplb_opt.exact.assignment_milp import solve_milp
from eplb_opt.exact.cpsat_solver import solve_cpsat
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.methods import METHODS
from eplb_opt.problem.pool import Packing

from .. import cost_soundness as soundness
from .pools import optimum_of, random_instance

ROOFLINE = Cost.roofline(40.0, 0.13)
WORK = Limits(seconds=None, work=0.2)


@pytest.mark.parametrize("number", range(20))
def test_methods_agree_with_brute_force(number):
    across = soundness.OBJECTIVES[number % len(soundness.OBJECTIVES)]
    instance, curve = random_instance(np.random.default_rng([31, number]), across)
    found, _ = soundness.faults(instance, optimum_of(instance, curve))
    assert found == []


@pytest.mark.parametrize("across", ["sum", "mean", "cvar", "max"])
@pytest.mark.parametrize("number", range(8))
def test_exact_models_from_the_greedys_map(number, across):
    """Without a search or a bound that would end it before."""
    instance, curve = random_instance(np.random.default_rng([41, number]), across)
    if not instance.load.any():
        return
    optimum = optimum_of(instance, curve)
    pool = instance.pool(0)
    start = Packing(greedy(instance).phy2log[0].reshape(pool.ranks, -1))
    for solver in (solve_milp, solve_cpsat):
        outcome = solver(pool, start, soundness.LIMITS)
        assert outcome.packing.objective(pool) == pytest.approx(optimum, rel=2e-6)
        assert outcome.lower_bound == pytest.approx(optimum, rel=2e-5)
        assert outcome.lower_bound <= optimum * (1 + 1e-9)


def many_windows(across="sum", **step):
    load = np.random.default_rng(5).lognormal(0, 1, (3, 2, 24))
    objective = Objective(across, cost=ROOFLINE, tokens_per_step=512, **step)
    return Instance(load, 32, num_ranks=8, objective=objective)


@pytest.mark.parametrize("across", ["sum", "mean"])
def test_plans_are_never_worse_than_heuristics_of_tokens_and_repeat(across):
    instance = many_windows(across)
    tokens = Instance(instance.load, 32, num_ranks=8)
    plan = plan_in_time(instance)
    for method in ("greedy", "refined"):
        other = solve(tokens, method).placement
        assert (plan.objective(instance) <= other.objective(instance)).all()
    np.testing.assert_array_equal(plan.phy2log, plan_in_time(instance, workers=2).phy2log)


def test_the_search_is_never_worse_and_repeats():
    pool = many_windows().pool(0)
    start = Packing((np.arange(32) % 24).reshape(8, 4))
    found = [search_times(pool, start, target=0.0, budget=Budget(work=5e5), seed=seed) for seed in (1, 1)]
    assert found[0].objective(pool) < start.objective(pool)
    assert not found[0].violations(pool)
    np.testing.assert_array_equal(found[0].experts, found[1].experts)
    assert search_times(pool, start, target=1e9, budget=Budget(work=5e5)) is start


@pytest.mark.parametrize("distinct", [False, True])
def test_counts_of_the_least_total_come_first(distinct):
    """With work for less than one annealing run, which leaves counts for tokens as they are."""
    load = np.random.default_rng(0).lognormal(0, 1.5, (1, 1, 64))
    tokens = Instance(load, 80, num_ranks=16, distinct=distinct)
    objective = Objective(cost=Cost.load("h100-deepseek-v3"), tokens_per_step=256)
    pool = replace(tokens, objective=objective).pool(0)
    start = Packing(greedy(tokens).phy2log[0].reshape(16, 5))
    found = search_times(pool, start, target=0.0, budget=Budget(work=1e3))
    assert not found.violations(pool)
    assert found.objective(pool) < 0.9 * start.objective(pool)


def test_distinct_maps_stay_so():
    load = np.random.default_rng(6).lognormal(0, 2, (1, 1, 12))
    instance = Instance(load, 18, num_ranks=3, distinct=True, objective=Objective(cost=Cost.table([1, 9], [1, 2])))
    for method in METHODS:
        placement = solve(instance, method, WORK).placement
        assert placement.violations(instance) == []


def test_nodes_keep_their_groups_and_bounds_hold():
    load = np.random.default_rng(7).lognormal(0, 1, (1, 2, 16))
    objective = Objective(cost=ROOFLINE, tokens_per_step=400)
    instance = Instance(load, 24, num_ranks=4, num_nodes=2, num_groups=4, objective=objective)
    values = {method: solve(instance, method, WORK) for method in ("greedy", "refined", "optimal")}
    for result in values.values():
        assert result.placement.violations(instance) == []
        assert (result.lower_bound <= result.objective * (1 + 1e-9)).all()
    assert (values["optimal"].objective <= values["refined"].objective).all()
    assert (values["refined"].objective <= values["greedy"].objective).all()


def test_so_many_groups_that_nodes_are_not_listed():
    load = np.random.default_rng(8).lognormal(0, 1, (1, 1, 32))
    instance = Instance(load, 40, num_ranks=4, num_nodes=4, num_groups=16, objective=Objective(cost=ROOFLINE))
    result = solve(instance, "optimal", WORK)
    assert result.placement.violations(instance) == []
    assert (result.lower_bound <= result.objective * (1 + 1e-9)).all()


def test_tokens_are_no_cost():
    """`Cost.tokens` gives the bits that no cost gives."""
    load = np.random.default_rng(9).lognormal(0, 1, (2, 2, 12))
    for across in ("sum", "mean"):
        plain = Instance(load, 16, num_ranks=4, objective=Objective(across))
        priced = Instance(load, 16, num_ranks=4, objective=Objective(across, cost=Cost.tokens()))
        first, second = (solve(instance, "optimal", WORK) for instance in (plain, priced))
        np.testing.assert_array_equal(first.placement.phy2log, second.placement.phy2log)
        np.testing.assert_array_equal(first.objective, second.objective)
        np.testing.assert_array_equal(first.lower_bound, second.lower_bound)


def test_tokens_of_a_step_are_shares():
    instance = Instance(
        [[6.0, 1.0, 1.0]], 4, num_ranks=2, objective=Objective(cost=Cost.tokens(), tokens_per_step=100, top_k=2)
    )
    assert Placement([[0, 1, 0, 2]], 3).objective(instance).tolist() == [100.0]
    assert instance.weight.tolist() == [[6.0, 1.0, 1.0]]


def test_windows_are_divided_by_the_mean_of_their_times():
    """By hand: 3 and 1 tokens on two ranks take 3 and 2, as an expert takes 2 at least; the mean is 2.5."""
    objective = Objective("mean", cost=Cost.roofline(2.0, 1.0))
    instance = Instance([[[3.0, 1.0]], [[2.0, 2.0]]], 2, num_ranks=2, objective=objective)
    placement = Placement([[0, 1]], 2)
    assert placement.window_imbalance(instance).tolist() == [[1.2], [1.0]]
    assert placement.objective(instance).tolist() == pytest.approx([1.1])
    times = np.array([[[3.0, 2.0], [2.0, 2.0]]])
    assert objective.value(times).tolist() == pytest.approx([1.1])


def test_a_cost_of_a_rank_is_added_once():
    cost = Cost.roofline(2.0, 1.0, per_rank=10.0)
    instance = Instance([[3.0, 1.0, 1.0, 1.0]], 4, num_ranks=2, objective=Objective(cost=cost))
    assert Placement([[0, 1, 2, 3]], 4).rank_loads(instance).tolist() == [[15.0, 14.0]]
    result = solve(instance, "cpsat", WORK)
    assert result.objective.tolist() == [15.0]
    assert result.imbalance.tolist() == pytest.approx([15 / 14.5])


def test_a_silent_layer_takes_what_idle_slots_take():
    cost = Cost.table([0, 10], [1.0, 2.0])
    instance = Instance([[0.0, 0.0]], 4, num_ranks=2, objective=Objective(cost=cost))
    result = solve(instance, "optimal", WORK)
    assert result.objective.tolist() == [2.0]
    assert result.gap.tolist() == [0.0]


def test_a_bound_of_spare_maps_in_tokens_proves_nothing_in_time():
    """Two tokens a replica are unavoidable in spare maps, which take 1.8 s: not 2 s."""
    objective = Objective(cost=Cost.table([0, 10], [0.0, 9.0]))
    instance = Instance([[8.0, 1.0]], 6, num_ranks=6, objective=objective)
    placement = Placement([[0, 0, 1, 1, 1, 1]], 2)
    time = float(placement.objective(instance)[0])
    layer = {"layer_id": 0, "objective": time, "lower_bound": 1.44, "bound_method": "L0b max replica"}
    assert verify(instance, placement, [layer])[0].faults == ()
    layer |= {"spare_bound": 2.0, "spare_bound_method": SPARE_REPLICA}
    (check,) = verify(instance, placement, [layer])
    assert "where there is none" in check.faults[0]


def test_what_does_not_go_with_a_cost_yet_says_so():
    instance = many_windows()
    used = Placement(np.arange(32)[None].repeat(2, 0) % 24, 24)
    with pytest.raises(OptionError, match="previous with a cost is not supported yet"):
        solve(instance, "greedy", previous=used)
    with pytest.raises(OptionError, match="spare with a cost is not supported yet"):
        solve(instance, "greedy", spare="rank")
    over_nodes = Instance(
        instance.load, 32, num_ranks=8, num_nodes=2, num_groups=4, objective=Objective("mean", cost=ROOFLINE)
    )
    for method in ("refined", "optimal", "milp", "cpsat"):
        with pytest.raises(OptionError, match="over windows with a cost"):
            solve(over_nodes, method)
    assert solve(over_nodes, "greedy").placement.violations(over_nodes) == []
    with pytest.raises(OptionError, match="plans over windows have no cost"):
        plan_windows(many_windows("mean"))


WRONG = {
    "cost": ({"cost": 3}, "cost is 3"),
    "a step without a cost": ({"tokens_per_step": 8}, "tokens_per_step=8 without a cost"),
    "no tokens": ({"cost": ROOFLINE, "tokens_per_step": 0}, "tokens_per_step=0"),
    "half a token": ({"cost": ROOFLINE, "tokens_per_step": 0.5}, "tokens_per_step=0.5"),
    "no experts": ({"cost": ROOFLINE, "top_k": 0}, "top_k=0"),
    "more than floats hold": (
        {"cost": ROOFLINE, "tokens_per_step": 2**32, "top_k": 2**32},
        "tokens_per_step=4294967296 times top_k=4294967296: at most",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_value_is_named(what):
    given, message = WRONG[what]
    with pytest.raises(OptionError, match=message):
        Objective(**given)


def test_times_that_overflow_are_refused():
    with pytest.raises(InstanceError, match="overflows"):
        Instance([[1e300, 1.0]], 2, num_ranks=2, objective=Objective(cost=Cost.roofline(1.0, 1e300)))


def test_times_that_are_no_number_are_refused():
    """Loads so small that a step's tokens over them overflow, beside none."""
    step = Objective(cost=ROOFLINE, tokens_per_step=1024)
    with pytest.raises(InstanceError, match="overflows"):
        Instance([[5e-324, 0.0]], 2, num_ranks=2, objective=step)

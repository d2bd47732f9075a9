"""solve: known optima, certificates, time limits, warm starts, hierarchical mode."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eplb_opt import (
    Instance,
    InstanceError,
    Limits,
    OptionError,
    Placement,
    SolverError,
    Status,
    StopReason,
    solve,
    starts,
)
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined
from eplb_opt.methods import METHODS

from .conftest import EDGES, KNOWN, engine_instance, recorded
from .oracle import layer_optimum

WORK = Limits(seconds=None, work=5.0)
SOLVERS = [name for name, method in METHODS.items() if method.improve is not None]


@pytest.mark.parametrize("known", KNOWN)
def test_greedy_reproduces_the_published_answers(known):
    instance, _, greedy = KNOWN[known]
    assert solve(instance, "greedy").objective.tolist() == greedy


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("method", SOLVERS)
def test_known_answers_are_proven(method, known):
    instance, optimum, _ = KNOWN[known]
    result = solve(instance, method, Limits(seconds=120, workers=2))
    np.testing.assert_allclose(result.objective, optimum, rtol=1e-12)
    assert result.status == (Status.OPTIMAL,) * instance.num_layers
    assert (result.lower_bound <= np.array(optimum) * (1 + 1e-12)).all()
    assert (result.gap <= 1e-4).all()


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("method", list(METHODS))
def test_edges_have_valid_maps_and_sound_bounds(method, edge):
    arguments = EDGES[edge]
    instance = engine_instance(*arguments)
    result = solve(instance, method, WORK)
    assert result.placement.violations(instance) == []
    for layer, certificate in enumerate(result.certificates):
        loads = tuple(instance.weight[layer].tolist())
        optimum = float(layer_optimum(loads, *arguments[1:]))
        assert certificate.lower_bound <= optimum * (1 + 1e-12)
        assert certificate.objective >= optimum * (1 - 1e-12)
        if method in SOLVERS:
            assert certificate.status is Status.OPTIMAL
            assert certificate.objective == pytest.approx(optimum, rel=1e-4)


@st.composite
def tiny_instances(draw):
    nodes = draw(st.sampled_from([1, 1, 2]))
    ranks = nodes * draw(st.integers(1, 2 if nodes > 1 else 3))
    groups = nodes * draw(st.integers(1, 2))
    experts = groups * draw(st.integers(1, 5 // groups if groups < 5 else 1))
    slots = draw(st.integers(-(-experts // ranks), -(-experts // ranks) + 1))
    distinct = draw(st.booleans()) and slots <= experts // nodes
    loads = draw(st.lists(st.integers(0, 60), min_size=experts, max_size=experts))
    return [loads], slots * ranks, groups, nodes, ranks, distinct


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tiny_instances())
def test_every_method_brackets_the_brute_force_optimum(arguments):
    *engine_arguments, distinct = arguments
    instance = engine_instance(*engine_arguments, distinct=distinct)
    optimum = float(layer_optimum(tuple(map(float, arguments[0][0])), *arguments[1:]))
    for method in METHODS:
        result = solve(instance, method, WORK)
        assert result.placement.violations(instance) == []
        assert result.lower_bound[0] <= optimum * (1 + 1e-12)
        assert result.objective[0] >= optimum * (1 - 1e-12)
        if method in SOLVERS:
            assert result.objective[0] == pytest.approx(optimum, rel=1e-4)
            assert result.status == (Status.OPTIMAL,)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=6, max_size=6), st.permutations(range(6)), st.integers(-20, 20))
def test_relabelling_experts_and_scaling_loads_change_nothing(loads, order, exponent):
    first = solve(Instance([loads], 8, num_ranks=4), "optimal", WORK)
    relabelled = solve(Instance([[loads[i] for i in order]], 8, num_ranks=4), "optimal", WORK)
    scaled = solve(Instance([[w * 2.0**exponent for w in loads]], 8, num_ranks=4), "optimal", WORK)
    assert relabelled.objective[0] == pytest.approx(first.objective[0], rel=1e-4)
    assert scaled.objective[0] == pytest.approx(first.objective[0] * 2.0**exponent, rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=5, max_size=5))
def test_more_ranks_never_hurt(loads):
    objectives = [solve(Instance([loads], 3 * r, num_ranks=r), "optimal", WORK).objective[0] for r in (2, 3, 4)]
    assert objectives[0] >= objectives[1] * (1 - 1e-4)
    assert objectives[1] >= objectives[2] * (1 - 1e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4))
def test_twice_the_replicas_on_the_same_ranks_never_hurt(loads):
    """Two halves of every replica on its rank: the same loads with doubled counts."""
    once, twice = (solve(Instance([loads], slots, num_ranks=2), "optimal", WORK).objective[0] for slots in (6, 12))
    assert twice <= once * (1 + 1e-4)


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(8)), st.integers(0, 2**32 - 1))
def test_relabelling_ranks_changes_no_objective(order, seed):
    instance = Instance(np.random.default_rng(seed).lognormal(size=(2, 12)), 16, num_ranks=8)
    placement = solve(instance, "greedy").placement
    moved = placement.phy2log.reshape(2, 8, 2)[:, order].reshape(2, 16)
    assert (Placement(moved, 12).objective(instance) == placement.objective(instance)).all()


def test_a_time_limit_is_kept_and_no_layer_is_worse_than_greedy():
    random = np.random.default_rng(0)
    instance = Instance(random.lognormal(sigma=1.0, size=(12, 64)), 80, num_ranks=16)
    greedy = solve(instance, "greedy")
    for method in SOLVERS:
        start = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = solve(instance, method, Limits(seconds=2.0, workers=2))
        assert time.monotonic() - start <= 2.0 * 1.1 + 1.0
        assert (result.objective <= greedy.objective).all()
        assert (result.lower_bound >= greedy.lower_bound).all()
        assert result.placement.violations(instance) == []


def test_work_limits_give_the_same_bits_every_time():
    instance = Instance(np.random.default_rng(1).lognormal(size=(3, 12)), 18, num_ranks=6)
    maps = [solve(instance, "optimal", Limits(seconds=None, work=0.3, seed=3)).placement.phy2log for _ in range(2)]
    assert (maps[0] == maps[1]).all()


def test_warm_start_is_used_and_checked():
    instance, optimum, _ = KNOWN["global"]
    best = solve(instance, "cpsat", Limits(seconds=60)).placement
    assert solve(instance, "greedy", warm_start=best).placement.violations(instance) == []
    kept = solve(instance, "milp", Limits(seconds=1e-3), warm_start=best)
    np.testing.assert_allclose(kept.objective, optimum)
    assert "warm start" in {c.method for c in kept.certificates}
    wrong = Placement(np.zeros((2, 16), dtype=np.int64), 12)
    with pytest.raises(InstanceError, match="has no replica"):
        solve(instance, warm_start=wrong)


def test_unknown_method():
    with pytest.raises(OptionError, match="choose one of greedy"):
        solve(KNOWN["pool"][0], "magic")


def test_an_invalid_packing_from_a_method_is_refused(monkeypatch):
    def broken(task, report):
        from eplb_opt.outcome import PoolOutcome
        from eplb_opt.problem.pool import Packing

        return PoolOutcome(Packing(np.zeros_like(task.incumbent.experts)), 0.0, StopReason.GAP, "broken")

    monkeypatch.setitem(METHODS, "milp", replace(METHODS["milp"], improve=broken))
    with pytest.warns(UserWarning, match="invalid packing from broken"):
        result = solve(KNOWN["pool"][0], "milp", Limits(seconds=None, work=1.0))
    assert result.objective.tolist() == solve(KNOWN["pool"][0], "refined").objective.tolist()
    assert result.certificates[0].stop is StopReason.FAILED


def test_many_groups_use_the_assignment_model():
    random = np.random.default_rng(5)
    instance = Instance(random.lognormal(size=(2, 64)), 80, num_groups=32, num_nodes=4, num_ranks=16)
    result = solve(instance, "optimal", Limits(seconds=8, workers=2))
    greedy = solve(instance, "greedy")
    assert result.placement.violations(instance) == []
    assert (result.objective <= greedy.objective).all()
    assert (result.lower_bound <= result.objective).all()


def test_hierarchical_and_global_bounds_are_ordered():
    load = recorded("deepseek_v3")[0][:4]
    hierarchical = solve(Instance(load, 288, num_groups=8, num_nodes=4, num_ranks=32), "greedy")
    globally = solve(Instance(load, 288, num_groups=1, num_nodes=1, num_ranks=32), "greedy")
    assert (hierarchical.lower_bound >= globally.lower_bound).all()


@pytest.mark.parametrize("limits", [Limits(), Limits(seconds=None, work=1.0)])
@pytest.mark.parametrize(("groups", "nodes"), [(1, 1), (4, 2), (40, 5)])
def test_the_greedy_runs_once(groups, nodes, limits, monkeypatch):
    calls = []

    def counted(instance):
        calls.append(instance)
        return greedy(instance)

    monkeypatch.setattr(starts, "greedy", counted)
    load = np.random.default_rng(3).lognormal(0, 1, (2, 40)).round(3)
    instance = Instance(load, 60, num_groups=groups, num_nodes=nodes, num_ranks=10)
    result = solve(instance, "greedy", limits)
    assert len(calls) == 1
    assert (result.objective == greedy(instance).objective(instance)).all()


def test_an_invalid_map_is_a_fault_of_the_solver_not_of_the_instance(monkeypatch):
    monkeypatch.setattr(starts.LayerState, "phy2log", lambda _: np.zeros(16, dtype=np.int64))
    instance, _, _ = KNOWN["global"]
    with pytest.raises(SolverError, match="internal error, please report: greedy made an invalid map"):
        solve(instance, "greedy")


def test_greedy_on_recorded_loads(deepseek_decode):
    result = solve(Instance(deepseek_decode, 288, num_ranks=32), "greedy")
    assert result.imbalance.mean() == pytest.approx(1.0076, abs=1e-4)
    hierarchical = solve(Instance(deepseek_decode, 288, num_groups=8, num_nodes=4, num_ranks=32), "greedy")
    assert hierarchical.imbalance.mean() == pytest.approx(1.2542, abs=1e-4)


SPREAD = Instance(np.random.default_rng(8).lognormal(0, 1, (7, 24)).round(3), 36, num_ranks=6)


def warm_started(deadline, monkeypatch):
    """Layers after `refined`'s warm start, and how many layers each call of it had."""
    sizes = []

    def counted(instance, steps):
        sizes.append(instance.num_layers)
        return refined(instance, steps=steps)

    monkeypatch.setattr(starts, "refined", counted)
    layers = starts.start_layers(SPREAD)
    starts.take_refined(SPREAD, layers, deadline)
    return [layer.phy2log().tolist() for layer in layers], sizes


def test_the_warm_start_takes_as_many_layers_as_fit_before_the_deadline(monkeypatch):
    at_once, sizes = warm_started(None, monkeypatch)
    assert sizes == [7]
    in_parts, sizes = warm_started(time.monotonic() + 1e6, monkeypatch)
    assert sizes == [1, 6]
    assert in_parts == at_once
    late, sizes = warm_started(time.monotonic() - 1.0, monkeypatch)
    assert sizes == []
    assert late == [layer.phy2log().tolist() for layer in starts.start_layers(SPREAD)]


def test_layers_that_no_task_reached_say_so():
    result = solve(SPREAD, "optimal", Limits(seconds=1e-3, gap=0.0))
    open_layers = [c for c in result.certificates if c.status is Status.FEASIBLE]
    assert open_layers
    assert {c.stop for c in open_layers} == {StopReason.NOT_TRIED}
    heuristic = solve(SPREAD, "refined", Limits(gap=0.0))
    assert StopReason.NOT_TRIED not in {c.stop for c in heuristic.certificates}


def test_too_many_node_sets_for_the_time_are_left_to_the_assignment_of_groups(monkeypatch):
    load = np.random.default_rng(0).lognormal(0, 1, (2, 40)).round(3)
    instance = Instance(load, 60, num_groups=10, num_nodes=5, num_ranks=10)
    assert all(layer.complete for layer in starts.start_layers(instance))
    assert all(layer.complete for layer in starts.start_layers(instance, seconds=1e6))
    hurried = starts.start_layers(instance, seconds=1e-9)
    assert not any(layer.complete for layer in hurried)
    result = solve(instance, "optimal", Limits(seconds=1.0))
    assert not result.placement.violations(instance)
    assert (result.lower_bound <= result.objective).all()


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ({"instance": np.ones((2, 4))}, "give Instance"),
        ({"limits": 10}, "limits is 10: give Limits"),
        ({"warm_start": [[0, 1]]}, "give Placement"),
    ],
)
def test_arguments_of_another_type_are_named(arguments, fix):
    with pytest.raises(OptionError, match=fix):
        solve(**{"instance": KNOWN["pool"][0], "method": "greedy"} | arguments)

"""Objectives over windows: values by hand and by plain code, what they bound, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import (
    Cost,
    Instance,
    InstanceError,
    Limits,
    Objective,
    OptionError,
    Placement,
    SolveInterrupted,
    StopReason,
    solve,
    starts,
)  # fmt: skip
from eplb_opt.claims.verify import verify_report
from eplb_opt.cli import main
from eplb_opt.foresight.left_out import LeftOut
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.methods import METHODS
from eplb_opt.problem.across import ACROSS, Across

LOADS = [[[6.0, 2.0, 2.0]], [[0.0, 0.0, 0.0]], [[2.0, 8.0, 2.0]]]  # of one layer; its second window is silent
ROW = [[0, 1, 0, 2]]  # rank loads [5, 5], none, [9, 3]


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        (Objective(), 14.0), (Objective(weights=[1, 1, 0.5]), 9.5),
        (Objective("mean"), 1.25), (Objective("mean", weights=[3, 5, 1]), 1.125),
        (Objective("max"), 1.5), (Objective("max", weights=[1, 0, 0]), 1.0),
        (Objective("cvar", level=0.5), 1.5), (Objective("cvar", level=0), 1.25), (Objective("cvar", level=0.25), 4 / 3),
    ],
)  # fmt: skip
def test_the_value_of_a_map(objective, value):
    instance = Instance(LOADS, 4, num_ranks=2, objective=objective)
    assert Placement(ROW, 3).objective(instance)[0] == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("across", ["mean", "cvar", "max"])
def test_a_layer_that_routes_nothing_is_even(across):
    instance = Instance(np.zeros((2, 1, 3)), 4, num_ranks=2, objective=Objective(across))
    assert Placement(ROW, 3).objective(instance).tolist() == [1.0]
    assert solve(instance, "refined").objective.tolist() == [1.0]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0, 0.95))
def test_the_mix_of_the_windows_bounds_every_objective(seed, windows, level):
    random = np.random.default_rng(seed)
    load = random.pareto(1.2, (windows, 3, 8)) * random.integers(0, 2, (windows, 3, 1))
    weights = random.random(windows) + 0.1
    found = {}
    for across in list(ACROSS)[1:]:
        objective = Objective(across, level=level, weights=weights)
        instance = Instance(load, 12, num_ranks=4, objective=objective)
        placement = greedy(instance)
        found[across] = placement.objective(instance)
        np.testing.assert_allclose(instance.mean, (instance.shares.sum(axis=0) > 0).astype(float), atol=1e-12)
        assert (placement.rank_loads(instance).max(axis=1) <= found[across] * (1 + 1e-12)).all()
    assert (found["mean"] <= found["cvar"] * (1 + 1e-12)).all()
    assert (found["cvar"] <= found["max"] * (1 + 1e-12)).all()


def test_weights_of_the_worst_windows_are_within_caps_and_sum_to_one():
    imbalance = np.array([[1.0, 1.5], [1.5, 1.5], [1.25, 1.0], [3.0, 3.0]])
    shares = np.array([[0.5, 0.25], [0.25, 0.25], [0.25, 0.5], [0.0, 0.0]])  # the last window is silent
    expected = {
        "mean": shares,
        "cvar": [[0.0, 0.5], [0.5, 0.5], [0.5, 0.0], [0.0, 0.0]],
        "max": [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
    }
    for across, weights in expected.items():
        objective = Objective(across, level=0.5)
        np.testing.assert_array_equal(objective.worst_weights(imbalance, shares), weights)
    silent = Objective("cvar").worst_weights(imbalance, np.zeros((4, 2)))
    assert not silent.any()


def test_cvar_is_the_mean_of_the_worst_windows_by_plain_code():
    random = np.random.default_rng(1)
    imbalance = 1 + random.random((20, 3))
    objective = Objective("cvar", level=0.75)
    shares = np.full((20, 3), 1 / 20)
    worst = np.sort(imbalance, axis=0)[-5:].mean(axis=0)
    np.testing.assert_allclose(objective.of_imbalance(imbalance, shares), worst, rtol=1e-14)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"across": "median"}, "'median'"), ({"across": 3}, "3"), ({"level": 1.0}, "1.0"), ({"level": -0.1}, "-0.1"),
        ({"level": "high"}, "'high'"), ({"level": True}, "True"), ({"level": float("nan")}, "nan"),
        ({"weights": []}, r"\[\]"), ({"weights": [0, 0]}, r"\[0, 0\]"), ({"weights": [1, -1]}, "-1"),
        ({"weights": [1, float("inf")]}, "inf"), ({"weights": 3}, "3"), ({"weights": "ab"}, "'ab'"),
    ],
)  # fmt: skip
def test_what_is_no_objective_is_named(bad, named):
    with pytest.raises(OptionError, match=named):
        Objective(**bad)


def test_weights_and_windows_match_and_an_objective_is_one():
    with pytest.raises(InstanceError, match="2 weights for 3 windows"):
        Instance(LOADS, 4, num_ranks=2, objective=Objective("mean", weights=[1, 1]))
    with pytest.raises(InstanceError, match=r"'mean'.*Objective\(across"):
        Instance(LOADS, 4, num_ranks=2, objective="mean")


def test_people_are_told_which_objective_it_is():
    load = np.ones((4, 1, 3))
    said = {across: Instance(load, 4, num_ranks=2, objective=Objective(across)).describe() for across in ACROSS}
    assert said["sum"].endswith("; objective: sum of 4 windows")
    assert "objective" not in Instance(load[0], 4, num_ranks=2).describe()
    assert said["mean"].endswith("; objective: mean imbalance of 4 windows")
    assert said["cvar"].endswith("; objective: mean imbalance of the worst 0.1 of 4 windows")
    assert said["max"].endswith("; objective: worst imbalance of 4 windows")


def test_an_objective_is_one_record(monkeypatch, tmp_path, capsys):
    """A toy: the mean of the worse half of the windows; plans, reports and the command know it."""
    half = Across("half", lambda level: "mean imbalance of the worse half", lambda shares, level: 2 * shares)
    monkeypatch.setitem(ACROSS, "half", half)
    load = np.random.default_rng(3).lognormal(0, 1, (6, 2, 16))
    halves = Instance(load, 24, num_ranks=8, objective=Objective("half"))
    worst = Instance(load, 24, num_ranks=8, objective=Objective("cvar", level=0.5))
    placement = METHODS["refined"].place(halves)
    np.testing.assert_array_equal(placement.objective(halves), placement.objective(worst))
    np.save(tmp_path / "loads.npy", load)
    arguments = [
        "solve",
        str(tmp_path / "loads.npy"),
        "--replicas",
        "24",
        "--ranks",
        "8",
        "--across",
        "half",
        "--method",
        "refined",
    ]
    report = tmp_path / "report.json"
    assert main([*arguments, "-o", str(tmp_path / "map.npz"), "--json", str(report)]) == 0
    assert "mean imbalance of the worse half of 6 windows" in " ".join(capsys.readouterr().out.split())
    assert not verify_report(halves, placement, json.loads(report.read_text())).faults


def test_layers_that_the_time_does_not_reach_stay_the_greedys_and_say_so(monkeypatch):
    """By a clock on which each layer takes two seconds of five; without a limit all are planned."""
    load = np.random.default_rng(3).lognormal(0, 1, (6, 5, 16))
    instance = Instance(load, 24, num_ranks=8, objective=Objective("mean"))
    whole = solve(instance, "refined", Limits(seconds=None))
    plan = METHODS["refined"].place
    now = [0.0]

    def slow_plan(part, **options):
        now[0] += 2.0 * part.num_layers
        return plan(part, **options)

    monkeypatch.setattr(starts.time, "monotonic", lambda: now[0])
    monkeypatch.setitem(METHODS, "refined", dataclasses.replace(METHODS["refined"], place=slow_plan))
    part = solve(instance, "refined", Limits(seconds=5.0))
    planned = [certificate.stop is StopReason.COMPLETED for certificate in part.certificates]
    assert planned == [True, True, False, False, False]
    assert {c.stop for c, done in zip(part.certificates, planned, strict=True) if not done} == {StopReason.NOT_TRIED}
    same = (part.placement.phy2log == whole.placement.phy2log).all(axis=1)
    assert same[planned].all()
    assert {c.stop for c in whole.certificates} == {StopReason.COMPLETED}


def test_an_interrupt_keeps_the_layers_that_are_planned(monkeypatch):
    load = np.random.default_rng(3).lognormal(0, 1, (6, 4, 16))
    instance = Instance(load, 24, num_ranks=8, objective=Objective("mean"))
    whole = solve(instance, "refined", Limits(seconds=None))
    calls = []

    def plan(part, **options):
        calls.append(part)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return refined_over_windows(part, **options)

    refined_over_windows = METHODS["refined"].place
    monkeypatch.setitem(METHODS, "refined", dataclasses.replace(METHODS["refined"], place=plan))
    with pytest.raises(SolveInterrupted) as caught:
        solve(instance, "refined", Limits(seconds=1e6))
    result = caught.value.result
    assert result.certificates[0].stop is StopReason.COMPLETED
    assert {c.stop for c in result.certificates[1:]} == {StopReason.INTERRUPTED}
    assert (result.placement.phy2log[0] == whole.placement.phy2log[0]).all()
    assert (result.objective[1:] >= whole.objective[1:]).all()


def test_an_instance_shows_pickles_and_selects_its_objective():
    instance = Instance(np.ones((2, 3, 4)), 4, num_ranks=2, objective=Objective("max"))
    assert "across='max'" in repr(instance)
    assert pickle.loads(pickle.dumps(instance)).objective == Objective("max")
    assert instance.select([1]).objective == Objective("max")


@pytest.mark.parametrize("method", ["milp", "cpsat"])
def test_methods_that_work_pool_by_pool_say_so_of_several_nodes(method):
    load = np.ones((2, 1, 4))
    instance = Instance(load, 4, num_ranks=2, num_groups=2, num_nodes=2, objective=Objective("mean"))
    with pytest.raises(OptionError, match=f"^method '{method}': in hierarchical mode .*'refined'"):
        solve(instance, method)
    assert not METHODS[method].supports(dataclasses.replace(instance, objective=Objective()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "mean imbalance of 6 windows"),
        (["--across", "sum"], "sum of 6 windows"),
        (["--across", "cvar", "--level", "0.5"], "mean imbalance of the worst 0.5 of 6 windows"),
        (["--nodes", "2", "--groups", "4"], "mean imbalance of 6 windows"),
        (["--nodes", "2", "--groups", "4", "--method", "cpsat"], "sum of 6 windows"),
        (["--nodes", "2", "--groups", "4", "--method", "refined"], "mean imbalance of 6 windows"),
        (["--windows", "2"], None),
    ],
)
def test_the_command_plans_over_windows_where_it_can(options, said, tmp_path, capsys):
    np.save(tmp_path / "loads.npy", of_two_kinds())
    arguments = ["solve", str(tmp_path / "loads.npy"), "--replicas", "24", "--ranks", "8", "--work", "0.01"]
    assert main([*arguments, *options]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert ("objective: " in text) is (said is not None)
    assert said is None or f"objective: {said}" in text


def of_two_kinds():
    """Six windows, two kinds of traffic in turn by threes."""
    random = np.random.default_rng(3)
    kinds = random.lognormal(0, 1, (2, 2, 16))
    return kinds[[0, 0, 0, 1, 1, 1]] * random.lognormal(0, 0.1, (6, 2, 16))


@pytest.mark.parametrize(("windows", "said"), [(6, "mean imbalance of windows"), (5, "sum"), (3, None)])
def test_the_command_plans_for_the_sum_where_windows_do_not_help(windows, said, tmp_path, capsys, monkeypatch):
    """As windows say that were left out, or too few to leave some out."""
    if said == "sum":
        monkeypatch.setattr("eplb_opt.foresight.left_out.left_out", lambda *_, **__: LeftOut(1.1, 1.2))
    np.save(tmp_path / "loads.npy", of_two_kinds()[:windows])
    arguments = ["gap", str(tmp_path / "loads.npy"), "--replicas", "24", "--ranks", "8", "--work", "0.01"]
    assert main([*arguments, "--methods", "refined"]) == 0
    streams = capsys.readouterr()
    assert ("planned for the" in streams.err) is (said is not None)
    assert said is None or f"note: planned for the {said}: windows left out of a plan" in streams.err
    assert ("objective: mean" in " ".join(streams.out.split())) is (windows == 6)


@pytest.mark.parametrize("across", ACROSS)
@pytest.mark.parametrize("method", ["greedy", "refined"])
def test_a_report_says_its_objective_and_is_checked_for_it(across, method):
    random = np.random.default_rng(2)
    load = random.pareto(1.5, (5, 2, 12)) + 0.01
    instance = Instance(load, 16, num_ranks=4, num_groups=4, num_nodes=2, objective=Objective(across, level=0.5))
    result = solve(instance, method)
    np.testing.assert_allclose(result.objective, result.placement.objective(instance))
    assert (result.lower_bound <= result.objective).all()
    report = result.to_dict()
    assert report["objective"]["across"] == across
    assert verify_report(instance, result.placement, report).exit_code == 0
    report["layers"][1]["objective"] *= 0.999
    assert verify_report(instance, result.placement, report).exit_code == 1
    other = Instance(load, 16, num_ranks=4, num_groups=4, num_nodes=2, objective=Objective("mean", weights=[1] * 5))
    faults = verify_report(other, result.placement, result.to_dict()).faults
    assert any("objective" in fault for fault in faults)


def test_an_objective_by_position():
    placed = Objective("cvar", 0.5, [1.0, 2.0], Cost.tokens())
    assert placed == Objective(across="cvar", level=0.5, weights=[1.0, 2.0], cost=Cost.tokens())

"""Expected step times: against all outcomes of tiny steps, in reports, and re-checked."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from eplb_opt import Cost, Instance, Objective, Placement, solve
from eplb_opt.claims.verify import verify_report
from eplb_opt.step_times import step_times

COST = Cost.table([0, 1, 3], [0.5, 2.0, 3.0], per_rank=0.25)


def expected(loads, placed, copies):
    """The mean of the slowest rank over all outcomes."""
    probabilities = np.array(loads) / sum(loads)
    counts = np.bincount(np.ravel(placed), minlength=len(loads))
    mean = 0.0
    for outcome in product(range(len(loads)), repeat=copies):
        routed = np.bincount(outcome, minlength=len(loads))
        times = [sum(COST(routed[e] / counts[e]) for e in rank) + COST.per_rank for rank in placed]
        mean += np.prod(probabilities[list(outcome)]) * max(times)
    return mean


@pytest.mark.parametrize("across", ["sum", "mean"])
def test_the_mean_over_all_outcomes(across):
    loads = [[3.0, 2.0, 1.0], [1.0, 1.0, 4.0]]
    placed = [[0, 1], [0, 2]]
    objective = Objective(across, cost=COST, tokens_per_step=2, top_k=2)
    instance = Instance([[window] for window in loads], 4, num_ranks=2, objective=objective)
    (found,) = step_times(instance, Placement([[0, 1, 0, 2]], 3), draws=20_000)
    windows = [np.sum(loads, axis=0).tolist()] if across == "sum" else loads
    true = np.mean([expected(window, placed, 4) for window in windows])
    assert abs(found.step_time - true) < 5 * found.step_time_error
    assert found.step_time_error < 0.02


def test_without_the_tokens_of_a_step_there_are_none():
    instance = Instance([[1.0, 2.0]], 2, num_ranks=2, objective=Objective(cost=COST))
    assert step_times(instance, Placement([[0, 1]], 2)) is None
    assert "step_time" not in solve(instance, "greedy").to_dict()["layers"][0]


def report_of_steps():
    load = np.random.default_rng(1).lognormal(0, 1, (1, 3, 8))
    instance = Instance(load, 10, num_ranks=2, objective=Objective(cost=COST, tokens_per_step=16))
    result = solve(instance, "greedy")
    return result, json.loads(json.dumps(result.to_dict()))


def test_a_report_states_them_and_they_are_simulated_again():
    result, report = report_of_steps()
    assert [layer["step_time"] for layer in report["layers"]] == [step.step_time for step in result.step_times]
    assert verify_report(result.instance, result.placement, report).exit_code == 0
    report["layers"][1]["step_time"] *= 1.2
    check = verify_report(result.instance, result.placement, report)
    assert check.exit_code == 1
    assert "step time" in check.faults[0]


FORGED = {
    "another cost": lambda r: r["objective"]["cost"].update(per_rank=0.0),
    "more tokens": lambda r: r["objective"].update(tokens_per_step=17),
    "more experts": lambda r: r["objective"].update(top_k=9),
    "a smaller time": lambda r: r["layers"][0].update(objective=r["layers"][0]["objective"] * 0.9),
    "a larger bound": lambda r: r["layers"][0].update(lower_bound=r["layers"][0]["lower_bound"] * 1.01),
    "a smaller imbalance": lambda r: r["layers"][0].update(imbalance=1.0),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_report_is_found(what):
    result, report = report_of_steps()
    FORGED[what](report)
    assert verify_report(result.instance, result.placement, report).exit_code == 1


def test_a_layer_that_routed_nothing():
    instance = Instance([[0.0, 0.0]], 2, num_ranks=2, objective=Objective(cost=COST, tokens_per_step=4))
    (found,) = step_times(instance, Placement([[0, 1]], 2))
    assert (found.step_time, found.step_time_error) == (0.75, 0.0)


def times_of(windows, layers, draws, seed=0):
    """Of equal windows and layers, each with the same traffic."""
    load = np.tile([3.0, 2.0, 1.0], (windows, layers, 1))
    objective = Objective("mean", cost=COST, tokens_per_step=2, top_k=2)
    instance = Instance(load, 4, num_ranks=2, objective=objective)
    return step_times(instance, Placement([[0, 1, 0, 2]] * layers, 3), draws=draws, seed=seed)


def test_the_standard_error_over_windows_is_what_other_seeds_spread():
    runs = [times_of(4, 1, 16, seed)[0] for seed in range(400)]
    spread = np.std([run.step_time for run in runs])
    stated = np.sqrt(np.mean([run.step_time_error**2 for run in runs]))
    assert abs(spread / stated - 1) < 0.2


def test_layers_of_the_same_traffic_are_simulated_by_themselves():
    runs = [times_of(1, 4, 16, seed) for seed in range(400)]
    spread = np.std([sum(layer.step_time for layer in run) for run in runs])
    stated = np.sqrt(np.mean([sum(layer.step_time_error**2 for layer in run) for run in runs]))
    assert abs(spread / stated - 1) < 0.2

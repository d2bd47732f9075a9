"""The choice of a map that does least harm: within what was asked for, more even over windows, always the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Instance, Limits, Objective, SolveInterrupted, Status, solve
from eplb_opt.foresight import harmless
from eplb_opt.foresight.imagined import ENOUGH, traffic
from eplb_opt.heuristics import refine
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined
from eplb_opt.methods import METHODS

from ..conftest import recorded

TOPOLOGIES = {
    "global": {"num_ranks": 8}, "hierarchical": {"num_ranks": 8, "num_groups": 8, "num_nodes": 4},
    "distinct": {"num_ranks": 8, "distinct": True},
}  # fmt: skip
WORK = Limits(seconds=None, work=0.05, gap=1e-3)


def of_kinds(windows: int, layers: int, seed: int) -> np.ndarray:
    """Windows of four kinds of traffic; the first layer's first window is silent."""
    random = np.random.default_rng(seed)
    kinds = random.lognormal(0, 1, (4, layers, 32))
    load = kinds[np.arange(windows) % 4] * random.lognormal(0, 0.2, (windows, layers, 32))
    load[0, 0] = 0
    return load


@pytest.mark.parametrize("method", ["refined", "optimal"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_chosen_map_is_within_the_gap_and_more_even_over_windows(method, topology, monkeypatch):
    instance = Instance(of_kinds(20, 3, 1), 64, **TOPOLOGIES[topology])
    result = solve(instance, method, WORK)
    monkeypatch.setitem(METHODS, method, dataclasses.replace(METHODS[method], chooses=False))
    plain = solve(instance, method, WORK)
    result.placement.require_valid(instance)
    assert result.gap.max() <= max(1e-3, plain.gap.max())
    assert [c.status for c in result.certificates] == [c.status for c in plain.certificates]
    np.testing.assert_allclose(result.lower_bound, plain.lower_bound, rtol=1e-15)
    assert (result.objective <= np.maximum(plain.objective, greedy(instance).objective(instance))).all()
    windows = traffic(instance)
    assert (result.placement.objective(windows) <= plain.placement.objective(windows)).all()
    assert result.placement.objective(windows).mean() < plain.placement.objective(windows).mean() - 0.01


def test_a_layer_that_is_optimal_stays_optimal():
    instance = Instance(of_kinds(20, 3, 1), 64, **TOPOLOGIES["global"])
    for gap in (1e-2, 1e-4):
        result = solve(instance, "optimal", Limits(seconds=None, work=0.05, gap=gap))
        assert [c.status for c in result.certificates] == [Status.OPTIMAL] * 3
        assert (result.objective <= result.lower_bound * (1 + gap)).all()


def test_the_same_map_whatever_the_workers():
    instance = Instance(of_kinds(20, 4, 2), 64, **TOPOLOGIES["global"])
    one, two = (solve(instance, "optimal", Limits(seconds=None, work=0.05, workers=n)) for n in (1, 2))
    np.testing.assert_array_equal(one.placement.phy2log, two.placement.phy2log)


def repeats(result) -> int:
    """Replicas on a rank that has another one of the expert."""
    rows = np.sort(result.placement.phy2log.reshape(-1, 8, 8), axis=2)
    return int((rows[:, :, 1:] == rows[:, :, :-1]).sum())


@pytest.mark.parametrize("method", ["refined", "optimal"])
@pytest.mark.parametrize("topology", ["global", "hierarchical"])
def test_where_only_a_sum_was_recorded_no_rank_has_an_expert_twice(method, topology, monkeypatch):
    load = of_kinds(20, 3, 3).sum(axis=0)
    instance = Instance(load, 64, **TOPOLOGIES[topology])
    chosen = solve(instance, method, WORK)
    monkeypatch.setitem(METHODS, method, dataclasses.replace(METHODS[method], chooses=False))
    monkeypatch.setattr(refine, "fewer_repeats", lambda _, placed, *__, **___: placed)
    plain = solve(instance, method, WORK)
    chosen.placement.require_valid(instance)
    assert (chosen.objective <= np.maximum(plain.objective, chosen.lower_bound * (1 + WORK.gap))).all()
    assert [c.status for c in chosen.certificates] == [c.status for c in plain.certificates]
    assert repeats(plain) > 0
    assert repeats(chosen) == 0


def test_an_expert_is_twice_on_a_rank_where_the_sum_asks_for_it():
    loads = [[10.0, 30.0, 40.0]]  # two replicas of the last on one rank, or 45 on some
    result = solve(Instance(loads, 4, num_ranks=2), "optimal", WORK)
    assert result.objective.tolist() == [40.0]
    assert [c.status for c in result.certificates] == [Status.OPTIMAL]
    assert solve(Instance(loads, 4, num_ranks=2, distinct=True), "cpsat", WORK).objective.tolist() == [45.0]


def test_few_windows_are_imagined_more_often():
    load = of_kinds(3, 2, 4)
    weights = [1.0, 2.0, 0.0]
    instance = Instance(load, 64, num_ranks=8, objective=Objective(weights=weights))
    windows = traffic(instance)
    assert windows.num_windows == 18 >= ENOUGH
    assert windows.objective == Objective("mean", weights=weights * 6)
    factors = windows.load[:3] / np.where(load > 0, load, 1)
    assert (factors[0, 0] == 0).all()  # a silent window stays silent
    np.testing.assert_allclose(factors[1, 0], factors[1, 1], rtol=1e-12)  # the same experts differ in all layers
    assert 0.8 < factors[1:].mean() < 1.2
    assert 0.3 < factors[1:].std() < 0.7
    many = Instance(of_kinds(16, 2, 4), 64, num_ranks=8)
    np.testing.assert_array_equal(traffic(many).load, many.load)


def test_no_map_above_the_limit_is_taken_and_without_time_the_first_is():
    instance = Instance(of_kinds(20, 1, 5), 64, num_ranks=8)
    windows = traffic(instance)
    weight = instance.weight[0]
    start = refined(instance).phy2log[0]
    heaviest = float(refined(instance).objective(instance)[0])
    for most in (heaviest, heaviest * (1 + 1e-4), heaviest * 1.01):
        row = harmless.least_harmful(windows, 0, weight, [start], most)
        counts = np.bincount(row, minlength=32)
        assert (weight / counts)[row].reshape(8, -1).sum(axis=1).max() <= most
    chosen = harmless.least_harmful(windows, 0, weight, [start], heaviest * 1.01, lambda: True)
    np.testing.assert_array_equal(chosen, start)
    silent = harmless.least_harmful(windows, 0, np.zeros(32), [start], 0.0)
    np.testing.assert_array_equal(silent, start)


def test_an_interrupt_during_the_choice_keeps_every_map(monkeypatch):
    instance = Instance(of_kinds(20, 3, 6), 64, num_ranks=8)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("eplb_opt.least_harm.least_harmful", interrupted)
    with pytest.raises(SolveInterrupted) as caught:
        solve(instance, "refined", Limits(seconds=None))
    np.testing.assert_array_equal(caught.value.result.placement.phy2log, refined(instance).phy2log)


def test_little_time_is_left_to_the_method(monkeypatch):
    monkeypatch.setattr("eplb_opt.least_harm.LeastHarm.choose", lambda self: pytest.fail("no time for that"))
    solve(Instance(of_kinds(20, 3, 7), 64, num_ranks=8), "refined", Limits(seconds=0.2))


@pytest.mark.recorded
@pytest.mark.parametrize(("slots", "ranks", "most"), [(72, 8, 0.92), (80, 16, 0.95)])
def test_unseen_windows_of_a_recording_are_not_harmed(slots, ranks, most):
    load = recorded("deepseek_v2_lite_windows")
    seen = np.concatenate([load[i : i + 4] for i in range(0, 32, 8)])
    unseen = np.concatenate([load[i + 4 : i + 8] for i in range(0, 32, 8)])
    instance = Instance(seen, slots, num_ranks=ranks)
    others = Instance(unseen, slots, num_ranks=ranks, objective=Objective("mean"))
    by_greedy = greedy(instance).objective(others).mean()
    for method in ("refined", "optimal"):
        result = solve(instance, method, Limits(seconds=None, work=0.5, workers=2, gap=1e-3))
        assert result.gap.max() <= 1e-3
        assert result.placement.objective(others).mean() < by_greedy * most

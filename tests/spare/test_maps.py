"""Maps in which any one rank (node) may fail: valid, near the optimum of brute force, refused where there are none."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from eplb_opt import Instance, Limits, Objective, OptionError, Placement, SolveInterrupted, solve
from eplb_opt.errors import InstanceError
from eplb_opt.problem.pool import Packing
from eplb_opt.problem.spare import require_spare, spare_faults, units_of
from eplb_opt.spare.deal import dealt, spare_counts
from eplb_opt.spare.layer_map import Frame
from eplb_opt.spare.maps import SpareMaps
from eplb_opt.spare.mend import mended

from .instances import loses_nothing, random_instance, tiny_instance
from .oracle import all_maps, mean_imbalance, spare_optimum, survives

WORK = Limits(seconds=None, work=5.0)
FAR = 1.01  # of a tiny layer's optimum


def optimum_of(instance, spare):
    loads = instance.weight[0].tolist()
    units = units_of(instance, spare).tolist()
    return spare_optimum(loads, instance.num_ranks, instance.slots_per_rank, units, instance.distinct)


@pytest.mark.parametrize("number", range(40))
def test_random_maps_lose_nothing(number):
    rng = np.random.default_rng([1, number])
    instance, spare = random_instance(rng, windows=1 if number % 4 else 3)
    result = solve(instance, "refined", spare=spare)
    assert loses_nothing(result.placement, instance, spare)
    assert result.spare == spare
    assert (result.spare_bound <= result.objective).all()
    assert (result.spare_bound >= result.lower_bound).all()


@pytest.mark.parametrize("number", range(40))
def test_every_start_loses_nothing(number):
    """What needs no numba: maps dealt round the ranks, dealt to the lightest, and mended."""
    rng = np.random.default_rng([2, number])
    instance, spare = random_instance(rng, layers=1)
    slots = solve(instance, "greedy").placement.phy2log.reshape(instance.num_ranks, -1)
    frame = Frame.of(instance, 0, spare)
    starts = [
        dealt(frame, slots, round_the_ranks=True),
        mended(frame, dealt(frame, slots)),
        mended(frame, slots),
    ]
    assert starts[0] is not None
    maps = SpareMaps(instance, spare)
    for start in starts:
        if start is not None:
            assert loses_nothing(maps._placement(start[None]), instance, spare)


def test_without_numba(monkeypatch):
    monkeypatch.setattr("eplb_opt.spare.lighten.is_usable", lambda module: False)
    rng = np.random.default_rng(3)
    for _ in range(10):
        instance, spare = random_instance(rng)
        assert loses_nothing(solve(instance, "greedy", spare=spare).placement, instance, spare)


def test_the_search_is_near_the_optimum():
    pytest.importorskip("numba")
    ratios = []
    for number in range(60):
        instance, spare = tiny_instance(np.random.default_rng([4, number]), distinct=number % 3 == 0)
        found = solve(instance, "refined", spare=spare)
        optimum = float(optimum_of(instance, spare))
        assert found.spare_bound[0] <= optimum * (1 + 1e-12)
        if optimum > 0:
            ratios.append(found.objective[0] / optimum)
    assert min(ratios) >= 1 - 1e-12
    assert max(ratios) <= FAR


@pytest.mark.parametrize("number", range(25))
def test_the_model_finds_and_proves_the_optimum(number):
    pytest.importorskip("ortools")
    pytest.importorskip("numba")
    from eplb_opt.spare.exact import solve_spare

    instance, spare = tiny_instance(np.random.default_rng([5, number]), distinct=number % 3 == 0)
    frame = Frame.of(instance, 0, spare)
    slots = solve(instance, "greedy").placement.phy2log.reshape(instance.num_ranks, -1)
    start = Packing(dealt(frame, slots, round_the_ranks=True))
    pool = instance.pool(0)
    units = units_of(instance, spare)
    found = solve_spare(pool, units, start, Limits(seconds=None, work=20.0, gap=1e-6))
    optimum = float(optimum_of(instance, spare))
    assert found.packing.violations(pool) == []
    assert survives(found.packing.experts.tolist(), units.tolist(), pool.num_experts)
    assert found.packing.objective(pool) == pytest.approx(optimum, rel=1e-5)
    assert found.lower_bound == pytest.approx(optimum, rel=1e-5)
    assert found.lower_bound <= optimum * (1 + 1e-12)


@pytest.mark.parametrize("number", range(8))
def test_the_model_over_windows(number):
    pytest.importorskip("ortools")
    pytest.importorskip("numba")
    load = np.random.default_rng([15, number]).integers(1, 30, (2, 1, 3))
    nodes = 1 + number % 2
    spare = "node" if nodes > 1 else "rank"
    instance = Instance(load, 8, num_ranks=4, num_nodes=nodes, objective=Objective("mean"))
    result = solve(instance, "cpsat", WORK, spare=spare)
    units = units_of(instance, spare).tolist()
    windows = [[Fraction(int(tokens)) for tokens in window[0]] for window in load]
    every = [held for held in all_maps(3, 4, 2, False) if survives(held, units, 3)]
    optimum = float(min(mean_imbalance(held, windows) for held in every))
    assert loses_nothing(result.placement, instance, spare)
    assert result.objective[0] == pytest.approx(optimum, rel=2e-4)
    assert result.spare_bound[0] <= optimum * (1 + 1e-9)


def test_an_interrupt_leaves_a_spare_map():
    pytest.importorskip("numba")

    def interrupt(done, total):
        raise KeyboardInterrupt

    instance = Instance(np.random.default_rng(16).lognormal(size=(2, 12)), 28, num_ranks=4)
    with pytest.raises(SolveInterrupted) as caught:
        solve(instance, "optimal", Limits(seconds=None, work=0.5, gap=0.0), spare="rank", progress=interrupt)
    assert loses_nothing(caught.value.result.placement, instance, "rank")


@pytest.mark.parametrize("method", ["cpsat", "optimal"])
def test_exact_methods_prove_it(method):
    pytest.importorskip("ortools")
    pytest.importorskip("numba")
    instance = Instance([[9.0, 4.0, 2.0]], 8, num_ranks=4)
    result = solve(instance, method, WORK, spare="rank")
    optimum = float(optimum_of(instance, "rank"))
    assert result.objective[0] == pytest.approx(optimum)
    assert result.spare_bound[0] == pytest.approx(optimum, rel=1e-4)
    free = solve(instance, method, WORK)
    assert free.lower_bound[0] <= result.objective[0]
    assert free.spare is None
    assert free.spare_bound is None


def test_the_same_map_in_every_call():
    instance, spare = random_instance(np.random.default_rng(6))
    one, other = (solve(instance, "refined", spare=spare).placement.phy2log for _ in range(2))
    assert one.tolist() == other.tolist()


def test_counts_have_the_lightest_largest_replica():
    rng = np.random.default_rng(7)
    for _ in range(30):
        loads = rng.integers(1, 30, 3).astype(float)
        counts = spare_counts(loads, 9, 9)
        every = [(a, b, 9 - a - b) for a in range(2, 6) for b in range(2, 8 - a)]
        assert counts.sum() == 9
        assert (counts >= 2).all()
        assert (loads / counts).max() == min((loads / np.array(each)).max() for each in every)


def test_which_instances_have_such_maps():
    """All of two slots an expert on two units at least, and no others: compared with all maps."""
    shapes = ((2, 2, 1, 1), (2, 2, 2, 1), (3, 2, 2, 1), (3, 2, 3, 1), (3, 3, 2, 1), (2, 4, 1, 2), (3, 4, 1, 2))
    verdicts = set()
    for (experts, ranks, slots, nodes), distinct in product(shapes, (False, True)):
        load = np.ones((1, experts))
        spare = "node" if nodes > 1 else "rank"
        instance = Instance(load, ranks * slots, num_ranks=ranks, num_nodes=nodes, distinct=distinct)
        units = units_of(instance, spare).tolist()
        exists = any(survives(held, units, experts) for held in all_maps(experts, ranks, slots, distinct))
        verdicts.add(exists)
        if exists:
            require_spare(instance, spare)
        else:
            with pytest.raises(InstanceError):
                require_spare(instance, spare)
    assert verdicts == {True, False}


ON_NODES = {"num_nodes": 2, "num_groups": 2}
REFUSED = {
    "slots": ({"num_replicas": 12, "num_ranks": 4}, "rank", "for 8 experts: every expert needs 2, use at least 16"),
    "a multiple": ({"num_replicas": 9, "num_ranks": 3}, "rank", "use at least 18"),
    "one rank": ({"num_replicas": 16, "num_ranks": 1}, "rank", "one rank in all"),
    "one rank a node": ({"num_replicas": 16, "num_ranks": 2, **ON_NODES}, "rank", "one rank on every node"),
    "one node": ({"num_replicas": 16, "num_ranks": 4}, "node", "num_nodes=1"),
    "whole groups": ({"num_replicas": 16, "num_ranks": 4, **ON_NODES}, "node", "hierarchical mode"),
    "uneven nodes": ({"num_replicas": 16, "num_ranks": 4, "num_nodes": 3}, "node", "num_ranks=4 on num_nodes=3"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why):
    topology, spare, said = REFUSED[why]
    instance = Instance(np.ones((1, 8)), **topology)
    with pytest.raises(InstanceError, match="spare=") as caught:
        solve(instance, "greedy", spare=spare)
    assert said in str(caught.value)


def test_an_unknown_unit():
    instance = Instance(np.ones((1, 4)), 8, num_ranks=4)
    with pytest.raises(OptionError, match="choose one of rank, node"):
        solve(instance, "greedy", spare="gpu")


def test_faults_by_hand():
    instance = Instance(np.ones((1, 2)), 4, num_ranks=4, num_nodes=2)
    assert spare_faults(Placement([[0, 1, 1, 0]], 2), instance, "node") == []
    on_a_node = Placement([[0, 0, 1, 1]], 2)
    assert spare_faults(on_a_node, instance, "rank") == []
    assert spare_faults(on_a_node, instance, "node") == [
        "layer 0: expert 0 is on node 0 only",
        "layer 0: expert 1 is on node 1 only",
    ]


def test_nothing_routed():
    result = solve(Instance(np.zeros((1, 4)), 8, num_ranks=4), "refined", spare="rank")
    assert loses_nothing(result.placement, result.instance, "rank")
    assert result.spare_bound.tolist() == [0.0]

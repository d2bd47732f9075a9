"""Plans over windows: valid, never worse than what they start from, near the optimum of tiny pools, always the same."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Instance, Objective, OptionError, Placement
from eplb_opt.foresight import kernel, tables
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.foresight.soft_maximum import alike, cost_of
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined

from ..conftest import recorded

TOPOLOGIES = {
    "global": {"num_ranks": 8}, "hierarchical": {"num_ranks": 8, "num_groups": 8, "num_nodes": 4},
    "distinct": {"num_ranks": 8, "distinct": True},
}  # fmt: skip


def traffic(windows: int, layers: int, experts: int, seed: int) -> np.ndarray:
    """Loads of windows of four kinds of traffic, one of them silent in one layer."""
    random = np.random.default_rng(seed)
    kinds = random.lognormal(0, 1, (4, layers, experts))
    load = kinds[np.arange(windows) % 4] * random.lognormal(0, 0.4, (windows, layers, experts))
    load[0, 0] = 0
    return load


@pytest.mark.parametrize("across", ["mean", "cvar", "max"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_plan_is_valid_and_better_than_what_knows_the_sum_alone(across, topology):
    load = traffic(12, 3, 32, 1)
    objective = Objective(across, level=0.7)
    instance = Instance(load, 48, **TOPOLOGIES[topology], objective=objective)
    planned = plan_windows(instance)
    planned.require_valid(instance)
    added = Instance(load, 48, **TOPOLOGIES[topology])
    for other in (greedy(added), refined(instance)):
        assert (planned.objective(instance) <= other.objective(instance)).all()
    assert planned.objective(instance).mean() < greedy(added).objective(instance).mean() - 0.05


def packings(experts: int, ranks: int, each: int):
    """All maps, ranks and slots in any order once."""
    of_rank = list(itertools.combinations_with_replacement(range(experts), each))
    for chosen in itertools.combinations_with_replacement(of_rank, ranks):
        row = [expert for rank in chosen for expert in rank]
        if len(set(row)) == experts:
            yield row


@pytest.mark.parametrize("across", ["mean", "cvar", "max"])
def test_plans_of_tiny_pools_are_within_a_hundredth_of_the_optimum(across):
    rows = np.array(list(packings(5, 3, 2)))
    load = np.random.default_rng(5).pareto(1.3, (3, 40, 5)) + 0.05
    objective = Objective(across, level=0.5)
    instance = Instance(load, 6, num_ranks=3, objective=objective)
    found = plan_windows(instance).objective(instance)
    optimum = []
    for layer in range(instance.num_layers):
        same = Instance(np.repeat(load[:, [layer]], len(rows), axis=1), 6, num_ranks=3, objective=objective)
        optimum.append(Placement(rows, 5).objective(same).min())
    assert (found >= np.array(optimum) * (1 - 1e-12)).all()
    assert (found / optimum).mean() <= 1.01


OTHER_PROCESS = """
import hashlib
from tests.foresight.test_plan import small
from eplb_opt.foresight.plan import plan_windows
print(hashlib.sha256(plan_windows(small(), moves=600).phy2log.tobytes()).hexdigest())
"""


def small() -> Instance:
    return Instance(traffic(6, 2, 12, 3), 16, num_ranks=4, objective=Objective("mean"))


def test_another_process_gives_the_same_bits():
    here = hashlib.sha256(plan_windows(small(), moves=600).phy2log.tobytes()).hexdigest()
    run = subprocess.run([sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == here


def test_plain_python_gives_the_same_bits_as_compiled_code(monkeypatch):
    compiled = plan_windows(small(), moves=600)
    for name, function in vars(kernel).copy().items():
        if hasattr(function, "py_func"):
            monkeypatch.setattr(kernel, name, function.py_func)
    with np.errstate(over="ignore"):  # integers modulo 2^64 are meant
        plain = plan_windows(small(), moves=600)
    np.testing.assert_array_equal(plain.phy2log, compiled.phy2log)


def test_order_dtype_and_scale_of_the_loads_do_not_matter():
    load = np.rint(traffic(8, 2, 16, 4) * 1000)
    objective = Objective("mean")
    plans = [
        plan_windows(Instance(each, 20, num_ranks=4, objective=objective), moves=2000).phy2log
        for each in (load, np.asfortranarray(load), load.astype(np.int32), load * 1024)
    ]
    for other in plans[1:]:
        np.testing.assert_array_equal(other, plans[0])


def test_more_replicas_and_more_moves_help():
    load = traffic(10, 4, 32, 6)
    found = [
        plan_windows(instance, moves=moves).objective(instance).mean()
        for slots, moves in ((32, 4000), (48, 4000), (48, 40_000))
        for instance in [Instance(load, slots, num_ranks=8, objective=Objective("mean"))]
    ]
    assert found[0] > found[1] > found[2]


def test_one_expert_with_all_the_load_of_a_window():
    load = np.ones((3, 1, 8))
    load[1] = 0
    load[1, 0, 5] = 1e12
    instance = Instance(load, 16, num_ranks=8, objective=Objective("max"))
    assert plan_windows(instance).objective(instance)[0] <= refined(instance).objective(instance)[0]


def test_the_tables_are_what_they_stand_for():
    made = tables.tables()
    loads = np.arange(0, 4096) / 1024
    np.testing.assert_allclose(made.exponential[:4096], np.exp(tables.SHARPNESS * loads), rtol=1e-9)
    assert np.isfinite(made.exponential).all()
    assert made.logarithm[-1] == 1 << tables.LOG_BITS
    assert made.temperatures[-1] / made.temperatures[0] == pytest.approx(0.03, rel=0.05)
    exact = np.log2(1 + np.arange(4097) / 4096) * 2**32
    from_ties = np.abs(exact - np.floor(exact) - 0.5)
    assert from_ties.min() > 1e-5  # so that no library's last bits change an entry


@pytest.mark.parametrize("sharpness", [1.0, 8.0, 40.0])
def test_tables_of_another_sharpness(sharpness):
    made = tables.tables(sharpness)
    loads = np.arange(0, 2048) / 1024
    np.testing.assert_allclose(made.exponential[:2048], np.exp(sharpness * loads), rtol=1e-9)
    assert np.isfinite(made.exponential).all()
    usual = tables.tables()
    np.testing.assert_allclose(made.temperatures / usual.temperatures, sharpness / tables.SHARPNESS, rtol=1e-3)


@pytest.mark.parametrize("windows", [3, 7, 40])
def test_the_cost_of_equal_weights_is_that_of_each_window(windows):
    """By the product of the windows' sums, or window by window: the same up to rounding."""
    sums = np.random.default_rng(windows).lognormal(20, 10, windows) + 1
    weights = np.where(np.arange(windows) == 1, 0, 7)
    logarithm = tables.tables().logarithm
    factors = np.empty(windows)
    bits = sums.view(np.int64)
    exact = 7 * (np.log2(sums)[weights > 0]).sum() * 2**32
    for weight in (7, 0):
        cost = cost_of(bits, weights, weight, factors, factors.view(np.int64), logarithm)
        assert cost == pytest.approx(exact, rel=1e-8)
    assert alike(weights) == 7
    assert alike(weights + np.arange(windows)) == 0


def test_many_windows_keep_their_weight():
    weights = tables.whole_weights(np.array([0.0] + [1e-7] * 10 + [1.0]))
    assert weights[0] == 0
    assert (weights[1:-1] == 1).all()
    assert weights[-1] == pytest.approx(tables.WEIGHT_UNIT, rel=1e-3)


def test_the_same_plan_with_any_number_of_threads():
    for across in ("mean", "cvar"):
        instance = Instance(traffic(12, 5, 32, 4), 48, num_ranks=8, objective=Objective(across))
        one, three = (plan_windows(instance, workers=workers) for workers in (1, 3))
        np.testing.assert_array_equal(one.phy2log, three.phy2log)
    with pytest.raises(OptionError, match=r"workers=0.*from 1 to"):
        plan_windows(instance, workers=0)


def test_bad_moves_and_too_many_ranks_are_named():
    with pytest.raises(OptionError, match="-1"):
        plan_windows(small(), moves=-1)
    many = Instance(np.ones((2, 1, 2)), 4096, num_ranks=4096, objective=Objective("mean"))
    with pytest.raises(OptionError, match="4096"):
        plan_windows(many)


@pytest.mark.recorded
@pytest.mark.parametrize(("slots", "ranks", "most"), [(72, 8, 1.09), (80, 16, 1.18)])
def test_unseen_windows_of_a_recording_are_more_even_than_by_the_greedy(slots, ranks, most):
    load = recorded("deepseek_v2_lite_windows")
    seen = np.concatenate([load[i : i + 4] for i in range(0, 32, 8)])
    unseen = np.concatenate([load[i + 4 : i + 8] for i in range(0, 32, 8)])
    instance = Instance(seen, slots, num_ranks=ranks, objective=Objective("mean"))
    others = Instance(unseen, slots, num_ranks=ranks, objective=Objective("mean"))
    by_greedy = greedy(Instance(seen, slots, num_ranks=ranks)).objective(others).mean()
    found = plan_windows(instance).objective(others).mean()
    assert found < most
    assert found < by_greedy * 0.85

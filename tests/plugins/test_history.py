"""What the plug-ins remember of past calls, and that every process plans the same with it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist

from eplb_opt import POLICIES, Instance, Objective, Placement, configure
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.methods import METHODS
from eplb_opt.plugins import history, past, said
from eplb_opt.plugins import planning as planning_module
from eplb_opt.plugins.history import HISTORY, History, Place
from eplb_opt.plugins.loads import in_parts
from eplb_opt.plugins.options import read_options
from eplb_opt.plugins.past import Past, past_of
from eplb_opt.plugins.planning import plan
from eplb_opt.problem.topology import Topology
from eplb_opt.replanning import replanned

from ..conftest import TWO_LAYERS

WEIGHT = torch.tensor(TWO_LAYERS)
REFINED = POLICIES["refined"]
TOPOLOGY = (16, 1, 1, 8)  # replicas, groups, nodes, ranks
PLACE = Place(16, Topology(num_ranks=8))
ONE = np.ones((1, 2, 12))


def never():
    return False


@pytest.fixture
def log(caplog, monkeypatch):
    """The log, of a process that has said nothing yet."""
    monkeypatch.setattr(said, "_said", set())
    caplog.set_level("INFO", "eplb_opt.plugins")
    return caplog


def traffic(windows, layers=2, experts=12, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).lognormal(4, 1, (windows, layers, experts)).round())


def remembering(most=16):
    return Past(History(most, never))


def over(windows, **topology):
    """The map that is planned over windows."""
    ranks = {"num_ranks": 8} | topology
    return plan_windows(Instance(np.asarray(windows), 16, **ranks, objective=Objective("mean"))).phy2log


def near(windows, old):
    """The map near one in use that is planned over windows."""
    instance = Instance(np.asarray(windows), 16, num_ranks=8, objective=Objective("mean"))
    return replanned(instance, plan_windows(instance), Placement(old, 12), REFINED.move_rule()).phy2log


def said_in(log):
    """What is said once, without the line of every call."""
    return [record.getMessage() for record in log.records if record.filename == "said.py"]


# What is planned


def test_the_first_call_is_planned_as_without_history():
    assert np.array_equal(plan(REFINED, WEIGHT, *TOPOLOGY, past=remembering()), plan(REFINED, WEIGHT, *TOPOLOGY))


def test_later_calls_are_planned_over_all_windows():
    kept = remembering()
    calls = traffic(3)
    maps = [plan(REFINED, load, *TOPOLOGY, past=kept) for load in calls]
    assert np.array_equal(maps[1], over(calls[:2]))
    assert np.array_equal(maps[2], over(calls))
    instance = Instance(calls.numpy(), 16, num_ranks=8, objective=Objective("mean"))
    of_the_last = Placement(plan(REFINED, calls[2], *TOPOLOGY), 12)
    assert (Placement(maps[2], 12).objective(instance) <= of_the_last.objective(instance)).all()


def test_the_ring_is_bounded():
    kept = remembering(most=2)
    calls = traffic(5)
    for load in calls:
        found = plan(REFINED, load, *TOPOLOGY, past=kept)
    assert np.array_equal(found, over(calls[3:]))


def test_the_mode_stays_hierarchical():
    kept = remembering()
    calls = traffic(2)
    for load in calls:
        found = plan(REFINED, load, 16, 4, 2, 8, past=kept)
    instance = Instance(calls, 16, num_groups=4, num_nodes=2, num_ranks=8)
    assert Placement(found, 12).violations(instance) == []
    assert np.array_equal(found, over(calls, num_groups=4, num_nodes=2))


def test_distinct_maps_stay_distinct():
    kept = remembering()
    for load in traffic(2):
        found = plan(configure(REFINED, distinct=True), load, *TOPOLOGY, past=kept)
    assert Placement(found, 12).violations(Instance(WEIGHT, 16, num_ranks=8, distinct=True)) == []


def test_the_number_of_threads_changes_nothing():
    calls = traffic(3)
    for workers in (1, 3):
        policy = configure(REFINED, workers=workers)
        kept = remembering()
        found = [plan(policy, load, *TOPOLOGY, past=kept) for load in calls]
        assert np.array_equal(found[-1], over(calls))


def test_slots_and_idle_layers_stay():
    kept = remembering()
    calls = traffic(2)
    old = plan(REFINED, calls[0], *TOPOLOGY, past=kept)
    calls[1, 0] = 0
    found = plan(REFINED, calls[1], *TOPOLOGY, torch.from_numpy(old), past=kept)
    assert np.array_equal(found[0], old[0])
    assert not np.array_equal(found[1], old[1])
    assert found[1].tolist() == near(calls, old)[1].tolist()


# Steps of a call


def test_steps_of_a_call_are_windows():
    kept = remembering(most=16)  # four of a call
    steps = traffic(8)
    found = plan(REFINED, steps, *TOPOLOGY, past=kept)
    pairs = steps.reshape(4, 2, 2, 12).sum(dim=1)
    assert np.array_equal(found, over(pairs))
    more = traffic(1, seed=1)
    assert np.array_equal(plan(REFINED, more, *TOPOLOGY, past=kept), over(torch.cat([pairs, more])))


@pytest.mark.parametrize(
    ("number", "most", "sizes"), [(1, 4, [1]), (3, 4, [1, 1, 1]), (9, 4, [3, 2, 2, 2]), (0, 4, [])]
)
def test_parts_have_equal_numbers_of_steps(number, most, sizes):
    parts = in_parts(np.ones((number, 2, 3), dtype=np.int32), most)
    assert sorted(parts[:, 0, 0].tolist(), reverse=True) == sizes
    assert parts.dtype == np.float64


def test_silent_steps_are_no_windows():
    steps = torch.zeros((9, 2, 12))
    steps[[1, 7]] = traffic(2).float()
    assert np.array_equal(in_parts(steps, 4), steps[[1, 7]].numpy())
    assert in_parts(steps[:1], 4).shape == (0, 2, 12)


# What is not remembered


def test_loads_of_profiling_are_not_remembered(monkeypatch):
    kept = remembering()
    calls = traffic(2)
    plan(REFINED, calls[0], *TOPOLOGY, past=kept)
    with monkeypatch.context() as patched:
        patched.setattr(planning_module, "planned_over", lambda *_: pytest.fail("all-zero loads are planned for"))
        for _ in range(3):
            plan(REFINED, WEIGHT * 0, *TOPOLOGY, past=kept)
            plan(REFINED, WEIGHT * 0, 24, 1, 1, 4, past=kept)  # even of another topology
    assert np.array_equal(plan(REFINED, calls[1], *TOPOLOGY, past=kept), over(calls))


@pytest.mark.parametrize("bad", [WEIGHT * float("nan"), -WEIGHT, WEIGHT[0], WEIGHT * 1j])
def test_loads_that_cannot_be_planned_for_are_not_remembered(bad):
    kept = remembering()
    calls = traffic(2)
    plan(REFINED, calls[0], *TOPOLOGY, past=kept)
    plan(REFINED, bad, *TOPOLOGY, past=kept)
    assert np.array_equal(plan(REFINED, calls[1], *TOPOLOGY, past=kept), over(calls))


CHANGED = {
    "replicas": Place(24, Topology(num_ranks=8)),
    "ranks": Place(16, Topology(num_ranks=4)),
    "nodes": Place(16, Topology(num_ranks=8, num_nodes=2, num_groups=4)),
    "groups": Place(16, Topology(num_ranks=8, num_nodes=2, num_groups=2)),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_another_topology_forgets_everything(kind):
    kept = History(4, never)
    kept.remember(ONE, PLACE)
    assert len(kept.remember(ONE, PLACE)) == 2
    assert len(kept.remember(ONE, CHANGED[kind])) == 1
    assert len(kept.remember(ONE, PLACE)) == 1


def test_models_of_other_shapes_have_rings_of_their_own():
    kept = History(4, never)
    drafter = np.ones((1, 1, 12))
    for number in range(1, 4):
        assert kept.remember(ONE * number, PLACE).shape == (number, 2, 12)
        assert kept.remember(drafter, PLACE).shape == (number, 1, 12)
    for experts in range(history.MOST_MODELS):
        kept.remember(np.ones((1, 1, 20 + experts)), PLACE)
    assert len(kept.remember(ONE, PLACE)) == 1


def test_another_process_group_forgets_everything():
    def begin():
        dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())

    kept = History(8, never)
    assert len(kept.remember(ONE, PLACE)) == 1
    begin()
    try:
        assert [len(kept.remember(ONE, PLACE)) for _ in range(2)] == [1, 2]
        dist.destroy_process_group()
        assert [len(kept.remember(ONE, PLACE)) for _ in range(2)] == [1, 2]
        begin()
        assert [len(kept.remember(ONE, PLACE)) for _ in range(2)] == [1, 2]
        dist.destroy_process_group()
        begin()
        assert [len(kept.remember(ONE, PLACE)) for _ in range(2)] == [1, 2]
    finally:
        dist.destroy_process_group()


def test_nothing_is_remembered_where_ranks_may_join():
    answers = [False, False, True, True, False]
    kept = History(8, lambda: answers.pop(0))
    found = [kept.remember(ONE, PLACE) for _ in range(5)]
    assert [None if windows is None else len(windows) for windows in found] == [1, 2, None, None, 1]


def test_what_is_remembered_is_a_copy():
    kept = remembering()
    calls = traffic(2)
    first = calls[0].clone()
    plan(REFINED, first, *TOPOLOGY, past=kept)
    first[:] = 1
    assert np.array_equal(plan(REFINED, calls[1], *TOPOLOGY, past=kept), over(calls))


# The same in every process

PROCESS = """
import json, sys
import numpy as np, torch
from eplb_opt import POLICIES
from eplb_opt.plugins.past import past_of
from eplb_opt.plugins.planning import plan
policy = POLICIES["refined"]
kept = past_of({"policy": "refined"}, policy, lambda: False, False)
dtype = getattr(torch, sys.argv[1])
calls = np.random.default_rng(0).integers(0, 1000, (5, 2, 12))
maps = []
for ranks in (8, 8, 4, 8, 8):  # the third and the fourth have another topology than the one before
    load = torch.from_numpy(calls[len(maps)]).to(dtype)
    maps.append(plan(policy, load, 16, 1, 1, ranks, past=kept).tolist())
print(json.dumps(maps))
"""


def test_two_processes_with_the_same_calls_get_the_same_maps():
    runs = [
        subprocess.run([sys.executable, "-c", PROCESS, dtype], capture_output=True, text=True, check=True).stdout
        for dtype in ("int64", "int64", "int32", "float32", "float64")
    ]
    assert len(set(runs)) == 1
    maps = json.loads(runs[0])
    calls = np.random.default_rng(0).integers(0, 1000, (5, 2, 12))
    assert maps[1] == over(calls[:2]).tolist()
    alone = torch.from_numpy(calls[3])
    assert maps[3] == plan(REFINED, alone, *TOPOLOGY).tolist()
    assert maps[4] == over(calls[3:]).tolist()


def test_the_order_of_calls_is_part_of_them():
    calls = traffic(4)
    one = [plan(REFINED, load, *TOPOLOGY, past=kept) for kept in [remembering(2)] for load in calls]
    other = [plan(REFINED, load, *TOPOLOGY, past=kept) for kept in [remembering(2)] for load in calls.flip(0)]
    assert np.array_equal(one[-1], over(calls[2:]))
    assert np.array_equal(other[-1], over(calls.flip(0)[2:]))


# Where there is none


def test_the_default_is_a_small_ring(log):
    kept = past_of(read_options({}), REFINED, never, False)
    calls = traffic(2)
    for load in calls:
        found = plan(REFINED, load, *TOPOLOGY, past=kept)
    assert np.array_equal(found, over(calls))
    plan(REFINED, WEIGHT, *TOPOLOGY, past=kept)
    assert said_in(log) == [past.WINDOWS % "mean imbalance"]


@pytest.mark.parametrize(
    ("environ", "reason", "level"),
    [
        ({"EPLB_OPT_HISTORY": "0"}, "EPLB_OPT_HISTORY=0", "INFO"),
        ({"EPLB_OPT_POLICY": "greedy"}, "policy 'greedy' remembers nothing", "INFO"),
        ({"EPLB_OPT_POLICY": "greedy", "EPLB_OPT_HISTORY": "8"}, "policy 'greedy' remembers nothing", "WARNING"),
        ({"EPLB_OPT_POLICY": "optimal", "EPLB_OPT_HISTORY": "8"}, "policy 'optimal' remembers nothing", "WARNING"),
    ],
)
def test_why_there_is_none_is_said_once(environ, reason, level, log):
    options = read_options(environ)
    policy = POLICIES[options["policy"]]
    for _ in range(2):
        kept = past_of(options, policy, never, False)
        assert kept.windows(traffic(4), PLACE) is None
    (record,) = log.records
    assert reason in record.getMessage()
    assert record.levelname == level


def test_without_numba_there_is_none(log, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    kept = past_of(read_options({"EPLB_OPT_HISTORY": "4"}), REFINED, never, False)
    assert kept.windows(traffic(4), PLACE) is None
    assert "need numba, which is not installed" in log.text


def test_with_a_compiler_that_does_not_work_there_is_none(log, monkeypatch):
    def fails():
        raise RuntimeError("cannot cache function")

    monkeypatch.setitem(METHODS, "refined", replace(METHODS["refined"], compile_windows=fails))
    kept = past_of(read_options({}), REFINED, never, False)
    assert kept.windows(traffic(4), PLACE) is None
    assert "cannot cache function" in log.text


@pytest.mark.parametrize("where", ["planned_over", "windows"])
def test_what_fails_costs_the_windows_alone(where, log, monkeypatch):
    def fails(*_):
        raise RuntimeError("of numba")

    kept = remembering()
    if where == "windows":
        monkeypatch.setattr(kept, where, fails)
    else:
        monkeypatch.setattr(planning_module, where, fails)
    for load in traffic(3):
        assert np.array_equal(plan(REFINED, load, *TOPOLOGY, past=kept), plan(REFINED, load, *TOPOLOGY))
    assert [record.levelname for record in log.records if record.levelno > logging.INFO] == ["ERROR"]


@pytest.mark.parametrize("text", ["1", "-1", "257", "2.5", "many", "true", ""])
def test_wrong_numbers_are_named(text):
    with pytest.raises(ValueError, match=r"EPLB_OPT_HISTORY=.*give 0 for none, or an integer from 2 to 256"):
        read_options({"EPLB_OPT_HISTORY": text})
    assert read_options({"EPLB_OPT_HISTORY": "256"})[HISTORY.name] == 256


def test_old_windows_count_less_with_a_half_life():
    kept = past_of(read_options({"EPLB_OPT_HISTORY": "4", "EPLB_OPT_HALF_LIFE": "0.5"}), REFINED, never, False)
    calls = traffic(6)
    for load in calls:
        found = plan(REFINED, load, *TOPOLOGY, past=kept)
    replicas, groups, nodes, ranks = TOPOLOGY
    objective = Objective("mean", weights=[1 / 64, 1 / 16, 1 / 4, 1.0])
    instance = Instance(calls[2:], replicas, num_ranks=ranks, num_groups=groups, num_nodes=nodes, objective=objective)
    assert np.array_equal(found, plan_windows(instance).phy2log)
    assert not np.array_equal(found, over(calls[2:]))


@pytest.mark.parametrize("across", ["sum", "max", "cvar"])
def test_the_remembered_windows_are_planned_for_as_asked(across):
    kept = past_of(read_options({"EPLB_OPT_ACROSS": across, "EPLB_OPT_LEVEL": "0.5"}), REFINED, never, False)
    calls = traffic(4)
    for load in calls:
        found = plan(REFINED, load, *TOPOLOGY, past=kept)
    policy = configure(REFINED, across=across, level=0.5)
    assert np.array_equal(found, policy.rebalance_experts(calls, *TOPOLOGY)[0])


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "long", ""])
def test_wrong_half_lives_are_named(text):
    with pytest.raises(ValueError, match=r"EPLB_OPT_HALF_LIFE=.*give 0 for none, or a finite number of windows"):
        read_options({"EPLB_OPT_HALF_LIFE": text})
    assert read_options({"EPLB_OPT_HALF_LIFE": "4"})["half_life"] == 4.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_of_the_loads_changes_nothing():
    calls = traffic(3)
    maps = []
    for device in ("cpu", "cuda"):
        kept = remembering()
        maps.append([plan(REFINED, load.to(device), *TOPOLOGY, past=kept).tolist() for load in calls])
    assert maps[0] == maps[1]

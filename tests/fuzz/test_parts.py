"""A few of every part are good; and where something is wrong, each part says so."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from eplb_opt import POLICIES, FormatError, Placement

from ..formats import mutations
from . import files, forgeries, instances, oracle_maps, oracles, plugins, processes
from .part import Part, Tally, judged
from .parts import PARTS

FEW = {
    "instances": 60, "files": 56, "forgeries": 40, "plugins": 60, "elastic": 20, "types": 30, "moves": 2, "windows": 2
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
def test_a_few_are_good(name):
    tally = judged(PARTS[name], seed=0, number=0, count=FEW[name])
    assert tally.faults == ()
    assert tally.count >= FEW[name]


def test_a_chunk_follows_from_its_number():
    first, again, other = (judged(PARTS["instances"], 0, number, 100) for number in (1, 1, 2))
    assert first == again
    assert first.figures != other.figures


def test_what_a_part_raises_is_a_fault():
    def broken(seed: int, number: int, count: int) -> Tally:
        raise ValueError("two\nlines")

    tally = judged(Part("broken", "", 1, 1, broken), 0, 0, 1)
    assert tally.count == 0
    assert tally.faults[0].startswith("ValueError: two lines at ")


def wrong_expert(maps):
    maps[0][0, 0] = maps[0].max() + 1


def another_expert(maps):
    maps[0][0] = maps[0][0].flip(0) if maps[0].shape[1] > 1 else 1


def no_count(maps):
    maps[2][0, 0] += 1


def no_slot(maps):
    maps[1][0, 0, 0] = -1


@pytest.mark.parametrize("change", [wrong_expert, another_expert, no_count, no_slot])
def test_an_invalid_map_is_counted(change, monkeypatch):
    def planted(weight, *sizes):
        maps = POLICIES["refined"].rebalance_experts(weight, *sizes)
        change(maps)
        return maps

    monkeypatch.setattr(instances, "POLICIES", {**POLICIES, "refined": _of(planted)})
    tally = judged(PARTS["instances"], 0, 0, 60)
    assert any("refined: invalid" in fault for fault in tally.faults)


def test_a_worse_map_is_counted(monkeypatch):
    def contiguous(weight, slots, *sizes):
        experts = weight.shape[-1]
        return _maps(np.tile(np.arange(slots) % experts, (weight.shape[-2], 1)), experts)

    monkeypatch.setattr(instances, "POLICIES", {name: _of(contiguous) for name in POLICIES})
    faults = judged(PARTS["instances"], 0, 0, 200).faults
    assert any("refined: worse than the published greedy" in fault for fault in faults)
    assert any("greedy: another map than the published one" in fault for fault in faults)


def test_a_policy_that_raises_is_counted(monkeypatch):
    def broken(weight, *sizes):
        raise RuntimeError("broken")

    monkeypatch.setattr(instances, "POLICIES", {name: _of(broken) for name in POLICIES})
    assert any("RuntimeError: broken" in fault for fault in judged(PARTS["instances"], 0, 0, 20).faults)


def _of(call):
    return SimpleNamespace(rebalance_experts=call)


def _maps(phy2log, experts):
    return Placement(phy2log, experts).maps()


def test_a_group_on_two_nodes_is_found():
    maps = _maps(np.array([[0, 2, 1, 3]]), 4)
    faults = oracle_maps.map_faults([one.numpy() for one in maps], (1, 4), (4, 2, 2, 2))
    assert list(faults) == ["a group on two nodes, or other numbers of groups on nodes"]


@pytest.mark.parametrize("error", [ValueError("untyped"), FormatError("two\nlines"), FormatError("x" * 2000)])
def test_an_error_that_is_none_of_ours_is_counted(error, monkeypatch):
    def broken(path, name=None):
        raise error

    monkeypatch.setattr(mutations, "read_loads", broken)
    tally = judged(PARTS["files"], 0, 0, 2 * len(files.KINDS))
    assert len(tally.faults) >= 4
    assert tally.figures["refused"] > 0


def test_a_wrong_count_is_counted(monkeypatch):
    monkeypatch.setattr(mutations, "counted", lambda array: None)
    assert any("mutated_array" in fault for fault in judged(PARTS["files"], 0, 0, 10 * len(files.KINDS)).faults)


@pytest.mark.parametrize("code", [0, 7])
def test_an_accepted_forgery_is_counted(code, monkeypatch):
    monkeypatch.setattr(forgeries, "CASES", {"patterns": forgeries.CASES["patterns"]})
    monkeypatch.setattr("tests.forging.main", lambda arguments: print("1 layer") or code)
    monkeypatch.setattr("tests.forging.check_said", lambda *said: None)
    tally = judged(PARTS["forgeries"], 0, 0, 20)
    assert (len(tally.faults) == tally.count) == (code == 0)


def test_a_command_that_raises_is_counted(monkeypatch):
    def broken(arguments):
        raise KeyError("broken")

    monkeypatch.setattr(forgeries, "CASES", {"patterns": forgeries.CASES["patterns"]})
    monkeypatch.setattr("tests.forging.main", broken)
    tally = judged(PARTS["forgeries"], 0, 0, 5)
    assert len(tally.faults) == tally.count == 5


def test_an_answer_that_differs_between_ranks_is_counted(monkeypatch):
    answer = plugins.Engine.maps

    def moody(engine, call):
        maps = answer(engine, call)
        maps[0][0] = np.roll(maps[0][0], id(engine) % maps[0].shape[1])
        return maps

    monkeypatch.setattr(plugins.Engine, "maps", moody)
    faults = judged(PARTS["plugins"], 0, 0, 60).faults
    assert any("another map on another rank" in fault for fault in faults)


def test_a_plug_in_that_raises_is_counted(monkeypatch):
    def broken(*arguments, **named):
        raise RuntimeError("broken")

    monkeypatch.setattr("eplb_opt.plugins.vllm.plan", broken)
    monkeypatch.setattr("eplb_opt.plugins.sglang.plan", broken)
    tally = judged(PARTS["plugins"], 0, 0, 10)
    assert len(tally.faults) == tally.count


@pytest.mark.parametrize("error", [AssertionError("no"), SystemExit("another map")])
def test_a_case_that_raises_is_counted(error):
    def case(generator, turn):
        if turn == 3:
            raise error
        return ["said"] if turn == 4 else []

    tally = oracles.run(case, 0, 1, 3)
    assert [fault.partition(" at ")[0] for fault in tally.faults] == [
        f"case 3: {type(error).__name__}: {error}", "case 4: said"
    ]  # fmt: skip


class Killed:
    """Stands for the job that is killed: each run begins two tasks and ends one."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __call__(self, folder, kills, latest, source):
        done = processes.kills.Run(-9, ["a", "b"], ["a"], "")
        last = processes.kills.Run(self.code, ["b"], ["b"], "")
        return [done, last], ["lost"] if self.code else []


@pytest.mark.parametrize(("code", "kept"), [(0, True), (0, False), (1, True)])
def test_what_a_kill_costs_is_counted(code, kept, monkeypatch):
    monkeypatch.setattr(processes, "whole_job", lambda: (1.0, "result"))
    monkeypatch.setattr(processes.kills, "write_loads", lambda folder: None)
    monkeypatch.setattr(processes.kills, "killed_job", Killed(code))
    monkeypatch.setattr(processes.kills, "result", lambda folder: "result" if kept else "another")
    tally = judged(PARTS["kills"], 0, 0, 2)
    assert bool(tally.faults) == (code != 0 or not kept)
    if code == 0:
        assert tally.count == 2
        assert tally.figures == {"tasks that ended": 4, "tasks lost in flight": 2}


def test_what_an_interrupt_leaves_is_counted(monkeypatch):
    left = processes.interrupts.Ended("solve", 1.0, True, 1, "Traceback", {})
    monkeypatch.setattr(processes.interrupts, "moments", lambda count, seed: iter([("solve", 1.0, True)] * count))
    monkeypatch.setattr(processes.interrupts, "interrupt", lambda *asked: left)
    tally = judged(PARTS["interrupts"], 0, 0, 2)
    assert (tally.count, len(tally.faults)) == (2, 4)


def test_overruns_are_measured(monkeypatch):
    late = processes.overruns.Overrun("small", limit=1.0, taken=1.6, greedy=0.1)
    monkeypatch.setattr(processes.overruns, "runs", lambda count, *told: iter([late] * count))
    tally = judged(PARTS["overruns"], 0, 0, 2)
    assert tally.measures == (2.0, 2.0)
    assert tally.most["bytes of a worker"] >= 0

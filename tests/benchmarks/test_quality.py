"""The quality run: gaps to stored bounds, resumed runs, and bounds that are re-checked."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import bounds, quality
from benchmarks.bounds import Bounds, check, contradictions, instance_key
from benchmarks.store import Store
from eplb_opt import Instance, Limits, solve

from ..conftest import KNOWN


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def cases(names):
        yield from ((name, KNOWN[name][0]) for name in ("pool", "hierarchical") if not names or name in names)

    monkeypatch.setattr(quality, "cases", cases)
    monkeypatch.setattr(quality, "warm_up", lambda: None)

    def run(*arguments):
        files = ["--output", str(tmp_path / "q.jsonl"), "--bounds", str(tmp_path / "b.jsonl")]
        monkeypatch.setattr(sys, "argv", ["quality", *files, "--peers", "none", "--workers", "1", *arguments])
        code = quality.main()
        lines = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
        return code, {(line["case"], line["method"]): line for line in lines}, capsys.readouterr().out

    return run


def test_methods_and_policies_are_judged_by_the_proven_bound(run, tmp_path):
    policy = "eplb_opt.policies:GreedyPolicy"
    code, lines, shown = run("--methods", "optimal,greedy", "--policy", policy)
    assert code == 0
    for case in ("pool", "hierarchical"):
        instance, optimum, greedy = KNOWN[case]
        for method in ("greedy", policy):
            line = lines[case, method]
            assert [layer["objective"] for layer in line["layers"]] == pytest.approx(greedy)
            gaps = np.array(greedy) / np.array(optimum) - 1
            assert line["gap_mean"] == pytest.approx(gaps.mean(), abs=2e-4)
            assert line["gap_max"] == pytest.approx(gaps.max(), abs=2e-4)
        assert lines[case, "optimal"]["optimal"] == instance.num_layers
        assert {"commit", "date", "cpu", "versions", "seed"} <= set(lines[case, "optimal"])
    assert shown.rstrip().splitlines()[-1].startswith(("Gap %", "Absent"))
    stored = Bounds(tmp_path / "b.jsonl")
    for case in ("pool", "hierarchical"):
        bound = stored.lower_bound(KNOWN[case][0])
        assert (bound <= np.array(KNOWN[case][1]) * (1 + 1e-12)).all()
        assert not check(KNOWN[case][0], stored.layers(KNOWN[case][0]))[1]


def test_a_second_run_computes_nothing_again(run):
    run("--methods", "optimal,greedy")
    _, lines, shown = run("--methods", "optimal,greedy")
    assert shown.count("already there") == 4
    _, again, shown = run("--methods", "optimal,greedy", "--seconds", "30")
    assert shown.count("already there") == 2  # another limit: the exact method is run again
    assert again["pool", "optimal"]["time_limit"] == 30
    assert again["pool", "greedy"] == lines["pool", "greedy"]


def test_a_heuristic_alone_uses_the_stored_bounds(run):
    run("--methods", "optimal")
    _, lines, _ = run("--methods", "greedy")
    assert lines["pool", "greedy"]["gap_max"] == pytest.approx(232 / (590 / 3) - 1, abs=2e-4)


def test_a_bound_above_an_objective_is_an_error(run, tmp_path):
    run("--methods", "optimal")
    store = Store(tmp_path / "b.jsonl", ("instance",))
    line = store.get(instance=instance_key(KNOWN["pool"][0]))
    line["layers"][0]["lower_bound"] = 250.0
    store.put(line)
    code, _, shown = run("--methods", "greedy", "--cases", "pool")
    assert code == 1
    assert "WRONG: pool, greedy" in shown


def test_the_store_keeps_the_better_bound(tmp_path):
    instance = KNOWN["pool"][0]
    stored = Bounds(tmp_path / "b.jsonl")
    assert stored.lower_bound(instance) is None
    report = solve(instance, "optimal", Limits(seconds=20)).to_dict()["layers"]
    stored.update("pool", instance, report, "one")
    best = stored.lower_bound(instance)
    stored.update("pool", instance, [report[0] | {"lower_bound": 1.0, "proofs": []}], "two")
    assert Bounds(tmp_path / "b.jsonl").lower_bound(instance).tolist() == best.tolist()
    assert stored.layers(instance)[0]["commit"] == "one"


def test_a_certificate_that_does_not_hold_is_found():
    instance = Instance([[600, 560, 120, 120, 20, 10, 10, 10], [7, 1, 1, 1, 1, 1, 1, 1]], 16, num_ranks=8)
    report = solve(instance, "optimal", Limits(seconds=20)).to_dict()["layers"]
    assert not check(instance, report)[1]
    for layer in report:
        layer["lower_bound"] *= 2
        for proof in layer["proofs"]:
            proof["target"] *= 2
    assert check(instance, report)[1]
    assert contradictions(np.array([1.0, 2.0]), np.array([1.0, 2.1])) == [1]


def test_the_key_names_loads_and_topology():
    loads = np.arange(1.0, 9).reshape(1, 8)
    keys = {
        instance_key(instance)
        for instance in (
            Instance(loads, 12, num_ranks=4), Instance(loads, 12, num_ranks=3), Instance(loads * 2, 12, num_ranks=4),
            Instance(loads, 12, num_groups=4, num_nodes=2, num_ranks=4),
            Instance(loads, 12, num_ranks=4, distinct=True),
        )
    }  # fmt: skip
    assert len(keys) == 5
    assert instance_key(Instance(loads, 12, num_ranks=4)) in keys
    assert bounds.PATH.name == "bounds.jsonl"

"""gap: no EPLB as the baseline, --fail-above, and maps of other models or topologies."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt import Instance, Placement, solve
from eplb_opt.cli import main
from eplb_opt.commands.judged import likely_ranks
from eplb_opt.report.worth import baseline_line, time_saved, worth_lines

from ..conftest import TWO_LAYERS
from .common import TOPOLOGY, write_loads

GAP = ["gap", "loads.npz", *TOPOLOGY]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_loads(tmp_path)
    assert main(["solve", "loads.npz", *TOPOLOGY, "--method", "greedy", "-o", "map.npz", "-q"]) == 0
    return tmp_path


def found_in(arguments, capsys, code=0):
    capsys.readouterr()
    assert main([*arguments, "--json", "-"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_baseline_is_the_experts_in_order(folder, capsys):
    found = found_in([*GAP, "--methods", "greedy"], capsys)
    order = np.tile([*range(12), *range(4)], (2, 1))
    instance = Instance(TWO_LAYERS, 16, num_ranks=8)
    assert found["baseline"]["layer_objective"] == Placement(order, 12).objective(instance).tolist()
    assert [row["method"] for row in found["methods"]] == ["greedy"]
    assert main([*GAP, "--methods", "greedy"]) == 0
    shown = capsys.readouterr().out
    saved = 1 - sum(found["methods"][0]["layer_objective"]) / sum(found["baseline"]["layer_objective"])
    assert f"  {saved:.2%} against contiguous, which is no EPLB" in shown


def test_solve_and_demo_say_it_too(folder, capsys):
    found = found_in([*GAP, "--methods", "greedy"], capsys)
    assert main(["solve", "loads.npz", *TOPOLOGY, "--method", "greedy"]) == 0
    assert f"(contiguous) imbalance mean {found['baseline']['imbalance_mean']:.5f}" in capsys.readouterr().out
    assert main(["demo", "--time-limit", "1"]) == 0
    assert "of day 2 than contiguous" in capsys.readouterr().out


def test_worth():
    rows = [{"method": name, "layer_objective": loads} for name, loads in (("a", [3, 5]), ("b", [1, 5]), ("c", [6, 6]))]
    head, *lines = worth_lines(rows)
    assert "what b saves" in head
    assert lines == ["  25.00% against a", "  50.00% against c"]
    assert list(worth_lines(rows[:1])) == []
    assert time_saved(0, 0) == 0


@pytest.mark.parametrize(
    ("options", "code", "names"),
    [
        (["--methods", "greedy,optimal", "--fail-above", "0.5%"], 4, ["greedy"]),
        (["--methods", "greedy,optimal", "--fail-above", "0.05"], 0, []),
        (["--methods", "greedy,optimal", "--map", "map.npz", "--fail-above", "0.5%"], 4, ["map map.npz"]),
        (["--methods", "greedy,optimal", "--map", "map.npz", "--fail-above", "100%"], 0, []),
        (["--methods", "optimal", "--fail-above", "0.1%"], 0, []),
    ],
)
def test_fail_above(options, code, names, folder, capsys):
    found = found_in([*GAP, *options], capsys, code)
    assert found["above"] == names
    gaps = {row["method"]: row["gap_mean"] for row in found["methods"]}
    assert all(gaps[name] > found["fail_above"] for name in names)
    assert main([*GAP, *options]) == code
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("eplb-opt: above: ")]
    assert len(said) == len(names)
    assert all("optimal is " in line and " lighter" in line for line in said)


def test_the_exit_code_stands_whatever_becomes_of_the_output(folder, capsys):
    arguments = ["--methods", "greedy,optimal", "--fail-above", "0.5%", "--quiet", "--json", "gap.json"]
    assert main([*GAP, *arguments]) == 4
    assert capsys.readouterr().out == ""
    assert json.loads((folder / "gap.json").read_text())["above"] == ["greedy"]


@pytest.mark.parametrize("text", ["1", "-1%", "x", "nan", "%"])
def test_a_limit_that_is_none(text, folder, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*GAP, f"--fail-above={text}"])
    assert stopped.value.code == 2
    assert "give a gap such as 1% or 0.01" in capsys.readouterr().err


def write_map(slots, **said):
    np.savez("other.npz", physical_to_logical_map=slots, layer_ids=[5, 8], **said)


@pytest.mark.parametrize(
    ("slots", "said", "message"),
    [
        (np.tile(np.arange(16), (2, 1)), {}, "other.npz: a map of 16 experts or more, the loads have 12"),
        (np.tile(np.arange(12), (2, 1)), {}, "other.npz: a map of 12 slots a layer, not 16 (--replicas)"),
        (np.tile(np.arange(16) % 8, (2, 1)), {}, "other.npz: the map does not fit the instance: layer 5: expert 8"),
        (np.tile(np.arange(16) % 12, (2, 1)), {"num_ranks": 4}, "other.npz: a map for 4 ranks, not 8"),
        (np.tile(np.arange(16) % 12, (2, 1)), {"num_experts": 14}, "other.npz: a map of 14 experts, not 12"),
    ],
)
def test_a_map_of_another_model_or_topology_is_named(slots, said, message, folder, capsys):
    write_map(slots, **said)
    assert main([*GAP, "--methods", "greedy", "--map", "other.npz"]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert message in streams.err


def test_a_map_for_fewer_ranks_is_noticed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load = np.random.default_rng(0).lognormal(size=(4, 64)) * 1000
    np.savez("loads.npz", load=load)
    placement = solve(Instance(load, 96, num_ranks=8), "refined").placement
    np.savez("eight.npz", physical_to_logical_map=placement.phy2log)
    for ranks, is_noticed in ((8, False), (16, True), (32, True)):
        arguments = ["gap", "loads.npz", "--replicas", "96", "--ranks", str(ranks), "--methods", "greedy"]
        assert main([*arguments, "--map", "eight.npz"]) == 0
        said = capsys.readouterr().err
        assert f"note: eight.npz does not say for how many ranks it is: taken for one of --ranks {ranks}" in said
        assert ("it seems to be a map for 8 ranks" in said) == is_noticed
    order = Placement(np.tile(np.arange(96) % 64, (4, 1)), 64)
    assert likely_ranks(order, Instance(load, 96, num_ranks=16)) == 16


def test_what_is_heavier_than_no_eplb_is_said_so():
    assert baseline_line(1.5, 2.0) == (
        "without EPLB (contiguous) imbalance mean 2.00000: this map saves at most 25.00% of a step's time"
    )
    assert baseline_line(3.0, 2.0).endswith("this map costs at most 50.00% more of a step's time")

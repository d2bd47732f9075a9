"""``--cost`` of ``solve`` and ``gap``: what is planned, said, refused and re-checked."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Cost
from eplb_opt.cli import main

SIZES = ["--replicas", "12", "--ranks", "4"]
SOON = ["--work", "0.2", "--workers", "1"]


@pytest.fixture
def loads(tmp_path):
    path = tmp_path / "loads.npy"
    np.save(path, np.random.default_rng(1).lognormal(0, 1, (2, 3, 10)))
    return str(path)


@pytest.fixture
def cost(tmp_path):
    path = tmp_path / "cost.json"
    Cost.roofline(40.0, 0.5, per_rank=2.0).save(path)
    return str(path)


def test_solve_plans_in_time_and_verify_proves_it(loads, cost, tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("map.npz", "report.json")]
    step = ["--cost", cost, "--tokens-per-step", "64", "--across", "sum"]
    assert main(["solve", loads, *SIZES, *SOON, *step, "-o", files[0], "--json", files[1]]) == 0
    shown = capsys.readouterr().out
    assert "cost: roofline, in s, 64 tokens a step, top-8" in shown
    assert "time, s" in shown
    assert "step, s" in shown
    assert "a step's slowest ranks, all layers:" in shown
    assert "without EPLB (contiguous)" in shown
    with open(files[1]) as file:
        report = json.load(file)
    assert report["objective"]["cost"] == Cost.load(cost).to_dict()
    assert (report["objective"]["tokens_per_step"], report["objective"]["top_k"]) == (64, 8)
    assert main(["verify", *files, loads]) == 0


def test_over_windows_times_are_divided(loads, cost, tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("map.npz", "report.json")]
    step = ["--cost", cost, "--across", "mean", "--method", "refined"]
    assert main(["solve", loads, *SIZES, *SOON, *step, "-o", files[0], "--json", files[1]]) == 0
    assert "time, s" not in capsys.readouterr().out
    assert main(["verify", *files, loads]) == 0


def test_gap_compares_times(loads, cost, tmp_path, capsys):
    path = tmp_path / "gap.json"
    step = ["--cost", cost, "--tokens-per-step", "64", "--top-k", "2"]
    methods = ["--methods", "greedy,refined", "--json", str(path)]
    assert main(["gap", loads, *SIZES, *SOON, *step, *methods]) == 0
    assert "top-2" in capsys.readouterr().out
    report = json.loads(path.read_text())
    assert (report["tokens_per_step"], report["top_k"]) == (64, 2)
    greedy, refined = report["methods"]
    assert greedy["sampling"] is None
    assert refined["layer_objective"] <= greedy["layer_objective"]
    assert min(refined["layer_imbalance"]) >= 1


def test_the_sum_is_the_default_in_time_and_is_said(loads, cost, capsys):
    assert main(["solve", loads, *SIZES, *SOON, "--cost", cost, "--method", "greedy"]) == 0
    assert "planned for the sum of the windows, in time" in capsys.readouterr().err


def test_a_cost_that_ships_is_taken_by_its_name(loads, capsys):
    assert main(["solve", loads, *SIZES, *SOON, "--cost", "h100-deepseek-v3", "--method", "greedy"]) == 0
    assert "cost: table, in s" in capsys.readouterr().out


def test_a_step_without_a_cost_is_said_to_be_idle(loads, capsys):
    assert main(["solve", loads, *SIZES, *SOON, "--tokens-per-step", "8", "--method", "greedy"]) == 0
    assert "--tokens-per-step 8 has no effect: it is of --cost" in capsys.readouterr().err


REFUSED = {
    "no such file": (["--cost", "none.json"], "cannot read none.json: No such file or directory; costs that ship"),
    "spare replicas": (["--cost", "COST", "--spare", "rank", "--replicas", "20"], "spare with a cost is not supported"),
    "windows over nodes": (
        ["--cost", "COST", "--across", "mean", "--nodes", "2", "--groups", "2"],
        "in hierarchical mode it does not plan over windows with a cost",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_one_line(what, loads, cost, capsys):
    given, message = REFUSED[what]
    given = [cost if option == "COST" else option for option in given]
    assert main(["solve", loads, *SIZES, *SOON, *given]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error


COSTS = {
    "roofline": lambda: Cost.roofline(40.0, 0.5, per_rank=2.0),
    "tiles": lambda: Cost.tiles(16, 3.0),
    "table": lambda: Cost.table([1, 16, 32], [3.0, 3.0, 5.0], 1.0),
    "tokens": Cost.tokens,
}
RANKS = {
    "alike": [],
    "distinct": ["--distinct"],
    "nodes": ["--nodes", "2", "--groups", "2"],
    "speeds and slots": ["--rank-speeds", "1,0.5,2,1", "--rank-slots", "3,2,6,1"],
}


@pytest.mark.parametrize("across", ["sum", "cvar"])
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("kind", COSTS)
def test_verify_proves_every_kind_of_cost_again(kind, ranks, across, loads, tmp_path, capsys):
    """The report carries the cost, so that the loads, the map and it are enough; and of another cost it is not true."""
    path, report, expert_map = (str(tmp_path / name) for name in ("cost.json", "report.json", "map.npz"))
    COSTS[kind]().save(path)
    options = ["--cost", path, "--tokens-per-step", "64", "--across", across, "--method", "refined"]
    asked = [*SIZES, *SOON, *RANKS[ranks], *options]
    code = main(["solve", loads, *asked, "-o", expert_map, "--json", report])
    if ranks == "nodes" and across != "sum" and kind != "tokens":
        assert code == 2
        assert "does not plan over windows with a cost" in capsys.readouterr().err
        return
    assert code == 0
    assert main(["verify", expert_map, report, loads]) == 0
    if kind == "tokens":
        return
    with open(report) as file:
        forged = json.load(file)
    forged["objective"]["cost"] = Cost.table([1, 2], [1.0, 900.0], 5.0).to_dict()
    with open(report, "w") as file:
        json.dump(forged, file)
    assert main(["verify", expert_map, report, loads]) == 1

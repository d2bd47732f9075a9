"""Files and commands of unequal ranks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt import FormatError, Placement
from eplb_opt.cli import main
from eplb_opt.commands.unequal import slots, speeds
from eplb_opt.formats import read_expert_map, read_map, write_map

ROW = [[0, 1, 2, 0]]
ARGUMENTS = ["loads.npz", "--replicas", "12", "--ranks", "3"]
UNEVEN = ["--rank-speeds", "1,1,0.5", "--rank-slots", "5x2,2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load = np.random.default_rng(0).lognormal(3, 1, (2, 10)).round()
    np.savez("loads.npz", load=load, layer_ids=[3, 4])
    return tmp_path


@pytest.mark.parametrize("name", ["map.npz", "map.json"])
def test_a_map_keeps_its_slots(folder, name):
    write_map(name, Placement(ROW, 3, (7,), rank_slots=[3, 1]))
    found = read_map(name, 3, num_ranks=2)
    assert found.rank_slots == (3, 1)
    assert found.phy2log.tolist() == ROW


@pytest.mark.parametrize("name", ["vllm", "vllm-lists", "sglang", "vllm-ascend", "tensorrt-llm"])
def test_formats_of_engines_refuse_uneven_slots(folder, name):
    placement = Placement(ROW, 3, (7,), rank_slots=[3, 1])
    with pytest.raises(FormatError, match="rank_slots: write npz or json"):
        write_map("map.json", placement, name, hidden_layers=8)


@pytest.mark.parametrize("value", ["x", 3, [], [3], [3, 2], [5, -1], [2.0, 2.0], [[3, 1]]])
def test_slots_that_are_not_the_maps_are_refused(folder, value):
    content = {"physical_to_logical_map": ROW, "num_ranks": 2, "rank_slots": value}
    (folder / "map.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="rank_slots"):
        read_expert_map("map.json")


def test_solve_gap_and_verify(folder, capsys):
    assert main(["solve", *ARGUMENTS, *UNEVEN, "--method", "greedy", "-o", "map.npz", "--json", "report.json"]) == 0
    assert "speeds 1 x 2, 0.5 x 1; slots 5 x 2, 2 x 1" in capsys.readouterr().out
    assert main(["verify", "map.npz", "report.json", "loads.npz"]) == 0
    assert "2 layers: 0 with faults" in capsys.readouterr().out
    assert main(["gap", *ARGUMENTS, *UNEVEN, "--methods", "greedy", "--map", "map.npz", "--json", "gap.json"]) == 0
    rows = {row["method"]: row for row in json.loads((folder / "gap.json").read_text())["methods"]}
    assert rows["map map.npz"]["imbalance_mean"] == rows["greedy"]["imbalance_mean"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rank-speeds", "1,1"], "--rank-speeds has 2 entries for --ranks 3"),
        (["--rank-speeds", "1,x"], "give a speed for each rank"),
        (["--rank-speeds", "1,1,0"], "--rank-speeds[2]=0.0"),
        (["--rank-slots", "5,5,1"], "--rank-slots are 11 together, not --replicas 12"),
        (["--rank-slots", "5x2,2", "--distinct"], "--distinct with --rank-speeds or --rank-slots"),
        (["--rank-slots", "5x2,2", "--spare", "rank"], "--spare rank is not there with --rank-speeds"),
        (["--rank-slots", "5x2,2", "--tokens-per-step", "64"], "needs --cost"),
        (["--rank-slots", "5x2,2", "-o", "map.json", "--format", "vllm"], "write npz or json"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsys, options, said):
    try:
        code = main(["solve", *ARGUMENTS, "--method", "greedy", *options])
    except SystemExit as end:
        code = end.code
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_maps_of_uneven_slots_are_not_compared(folder, capsys):
    write_map("map.npz", Placement(ROW, 3, (7,), rank_slots=[3, 1]))
    assert main(["diff", "map.npz", "map.npz"]) == 2
    assert "diff compares maps of equal ranks only" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "1,", "1x0", "1x-2", "x2", "1x2x3", "1x1000000000"])
def test_lists_that_are_none(text):
    for read in (speeds, slots):
        with pytest.raises(Exception, match="give"):
            read(text)


def test_lists_of_ranks():
    assert speeds("1,0.8x2") == [1.0, 0.8, 0.8]
    assert slots("9x2,0") == [9, 9, 0]


@pytest.mark.parametrize("more", [[], ["--cost", "h100-gpt-oss-120b", "--tokens-per-step", "512"]])
def test_pages_of_unequal_ranks(folder, more, capsys):
    """With speeds, a rank of fewer slots and one that does not run; and again from the report."""
    ranks = ["--replicas", "11", "--ranks", "4", "--rank-speeds", "1,1,0.5,1", "--rank-slots", "5,4,2,0"]
    written = ["-o", "map.npz", "--json", "report.json", "--report", "page.html"]
    assert main(["solve", "loads.npz", *ranks, *more, "--method", "greedy", *written]) == 0
    assert "page: page.html" in capsys.readouterr().out
    page = (folder / "page.html").read_text()
    assert "speeds 1 x 3, 0.5 x 1; slots 5 x 1, 4 x 1, 2 x 1, 0 x 1" in page
    again = ["--loads", "loads.npz", "--map", "map.npz", "-o", "again.html"]
    assert main(["report", "report.json", *again]) == 0
    assert (folder / "again.html").read_text() == page
    assert main(["gap", "loads.npz", *ranks, *more, "--methods", "greedy", "--report", "gap.html"]) == 0
    assert "Ranks are unequal" in (folder / "gap.html").read_text()


def test_a_dry_run_and_inspect_say_what_is_unequal(folder, capsys):
    """And that the windows are added, which `solve` then does."""
    load = np.random.default_rng(0).lognormal(3, 1, (3, 2, 10)).round()
    np.savez("loads.npz", load=load)
    said = "up to 5 slots a rank; speeds 1 x 2, 0.5 x 1; slots 5 x 2, 2 x 1; objective: sum of 3 windows"
    for command in (["solve", *ARGUMENTS, *UNEVEN, "--dry-run"], ["inspect", *ARGUMENTS, *UNEVEN]):
        assert main(command) == 0
        assert said in " ".join(capsys.readouterr().out.split())
    assert main(["solve", *ARGUMENTS, *UNEVEN, "--dry-run"]) == 0
    assert "objective: sum of the windows (--across chooses)" in capsys.readouterr().out
    in_time = ["--cost", "h100-gpt-oss-120b", "--tokens-per-step", "64"]
    assert main(["solve", *ARGUMENTS, *in_time, "--dry-run"]) == 0
    assert "objective: sum of the windows (--across chooses)" in capsys.readouterr().out
    assert main(["solve", *ARGUMENTS, "--dry-run"]) == 0
    assert "objective: mean imbalance of the windows or their sum" in " ".join(capsys.readouterr().out.split())
    assert main(["inspect", "loads.npz", "--rank-slots", "5x2,2"]) == 2
    assert "--rank-slots needs --replicas and --ranks" in capsys.readouterr().err

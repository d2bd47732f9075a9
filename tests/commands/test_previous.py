"""``--previous``: a map in use, at the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt.cli import main
from eplb_opt.formats import read_map

TOPOLOGY = ["--replicas", "16", "--ranks", "4"]


@pytest.fixture
def files(tmp_path):
    """Loads of two days, and the map that is in use since the first."""
    random = np.random.default_rng(0)
    common = random.lognormal(0, 1, (1, 2, 12))
    load = np.rint(1000 * common * random.lognormal(0, 0.5, (2, 2, 12)))
    np.savez(tmp_path / "loads.npz", load=load, layer_ids=[3, 4], window=["one", "two"])
    run(tmp_path, "--windows", "one", "-o", "used.npz")
    return tmp_path


def run(folder, *options, command="solve", code=0):
    texts = [str(folder / option) if option.endswith((".npz", ".json")) else option for option in options]
    inputs = [str(folder / "loads.npz")] if command == "solve" else []
    topology = [*TOPOLOGY, "--method", "refined"] if command == "solve" else []
    assert main([command, *inputs, *topology, *texts]) == code


def report_of(folder, *options):
    run(folder, "--windows", "two", "--previous", "used.npz", *options, "-o", "new.npz", "--json", "new.json")
    return json.loads((folder / "new.json").read_text())


def test_a_report_says_the_moves(files, capsys):
    free = report_of(files)
    few = report_of(files, "--max-moves", "2")
    assert max(layer["moves"] for layer in few["layers"]) <= 2
    assert few["totals"]["moves"] < free["totals"]["moves"]
    assert few["previous"]["max_moves"] == 2
    printed = capsys.readouterr().out
    assert f"{few['totals']['moves']} of 32 replicas move from the map in use" in printed
    assert "moves" in printed
    map_file = files / "new.npz"
    assert read_map(map_file, 12).num_ranks == 4


def test_verify_counts_the_moves_again(files, capsys):
    report = report_of(files, "--slack", "0.05")
    given = ("new.npz", "new.json", "loads.npz", "--previous", "used.npz")
    run(files, *given[:3], command="verify")
    assert "moves: not counted again" in capsys.readouterr().out
    run(files, *given, command="verify")
    assert "not counted" not in capsys.readouterr().out
    run(files, *given[:-1], "new.npz", command="verify", code=1)
    assert "another map in use" in capsys.readouterr().out
    report["layers"][1]["moves"] += 1
    report["totals"]["moves"] += 1
    (files / "new.json").write_text(json.dumps(report))
    run(files, *given, command="verify", code=1)
    assert f"layer 4: {report['layers'][1]['moves']} moves, the maps have" in capsys.readouterr().out


def test_verify_says_which_bounds_of_moves_it_proves(files, capsys):
    report = report_of(files, "--slack", "0.05")
    given = ("new.npz", "new.json", "loads.npz", "--previous", "used.npz")
    run(files, *given, command="verify")
    assert "moves: their bounds are proven again in 2 of 2 layers" in capsys.readouterr().out
    layer = report["layers"][0]
    assert layer["moves_bound"] < layer["moves"]
    layer["moves_bound"] = layer["moves"]
    (files / "new.json").write_text(json.dumps(report))
    run(files, *given, command="verify")
    assert "moves: their bounds are proven again in 1 of 2 layers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-moves", "2"], "--max-moves is about moves from a map in use: give --previous MAP"),
        (["--failed-ranks", "1"], "--failed-ranks is about moves from a map in use: give --previous MAP"),
        (["--previous", "used.npz", "--max-moves", "1.5"], "--max-moves 1.5: give an integer"),
        (
            ["--previous", "used.npz", "--slack", "0.1", "--move-price", "0.1"],
            "--move-price 0.1: give one of them",
        ),
        (["--previous", "used.npz", "--max-moves=-1"], "--max-moves -1: give an integer"),
        (["--previous", "used.npz", "--failed-ranks", "9"], "failed_ranks has 9: the map in use has ranks 0 to 3"),
        (["--previous", "none.npz"], "cannot read"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(files, capsys, options, message):
    capsys.readouterr()
    run(files, *options, code=2)
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert said.err.strip().count("\n") <= 1  # a note on windows may come first


def test_ranks_that_died(files):
    run(
        files, "--windows", "two", "--previous", "used.npz", "--failed-ranks", "1,2", "-o", "new.npz", "--json",
        "new.json", "--slack", "0.02",
    )  # fmt: skip
    used, new = (read_map(files / name, 12) for name in ("used.npz", "new.npz"))
    for rank in (0, 3):
        part = slice(4 * rank, 4 * rank + 4)
        for old, now in zip(used.phy2log, new.phy2log, strict=True):
            assert set(old[part]) & set(now[part])

"""The command as a user types it: output, files, exit codes."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from eplb_opt import Instance, Placement
from eplb_opt.cli import main

from .conftest import TWO_LAYERS

pytestmark = pytest.mark.filterwarnings("ignore:.*no token in 3 of the layers:eplb_opt.errors.FormatWarning")


@pytest.fixture
def loads(tmp_path):
    path = tmp_path / "loads.npz"
    np.savez(path, load=np.array([TWO_LAYERS]), layer_ids=[5, 8])
    return path


def topology(nodes=1):
    return ["--replicas", "16", "--ranks", "8", "--groups", "4", "--nodes", str(nodes), "--time-limit", "60"]


@pytest.mark.parametrize(("nodes", "optimum"), [(2, [151, 179.5]), (1, [136, 172])])
def test_solve_writes_a_map_and_a_report(nodes, optimum, loads, tmp_path, capsys):
    out, report = tmp_path / "map.npz", tmp_path / "report.json"
    assert main(["solve", str(loads), *topology(nodes), "-o", str(out), "--json", str(report)]) == 0
    shown = capsys.readouterr().out
    assert ("hierarchical mode" if nodes > 1 else "global mode") in shown
    assert "2 of 2 layers OPTIMAL" in shown
    assert f"map: {out}" in shown
    with np.load(out) as archive:
        placement = Placement(archive["physical_to_logical_map"], 12)
        assert archive["layer_ids"].tolist() == [5, 8]
    instance = Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=nodes, num_ranks=8)
    np.testing.assert_allclose(placement.objective(instance), optimum)
    content = json.loads(report.read_text())
    for layer, layer_id, best in zip(content["layers"], [5, 8], optimum, strict=True):
        assert {"layer_id", "objective", "lower_bound", "gap", "imbalance", "status", "method", "seconds"} <= set(layer)
        assert layer["layer_id"] == layer_id
        assert layer["objective"] == pytest.approx(best)
        assert layer["status"] == "OPTIMAL"
    assert content["totals"]["optimal"] == 2
    assert content["mode"] == ("hierarchical" if nodes > 1 else "global")


def test_gap_judges_methods_and_a_map(loads, tmp_path, capsys):
    out, report = tmp_path / "map.json", tmp_path / "gap.json"
    main(["solve", str(loads), *topology(), "--method", "greedy", "-o", str(out)])
    capsys.readouterr()
    arguments = ["gap", str(loads), *topology(), "--map", str(out), "--json", str(report)]
    assert main(arguments) == 0
    rows = {row["method"]: row for row in json.loads(report.read_text())["methods"]}
    assert rows["greedy"]["layer_objective"] == [138.5, 172]
    assert rows[f"map {out}"]["layer_objective"] == [138.5, 172]
    assert rows["optimal"]["layer_objective"] == pytest.approx([136, 172])
    assert rows["greedy"]["gap_max"] == pytest.approx(138.5 / 136 - 1, abs=2e-4)
    assert "greedy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--replicas", "17"], "--replicas 17 is not a multiple of --ranks 8"),
        (["--replicas", "8"], "use at least 12"),
        (["--ranks", "0"], "--ranks 0: give a positive integer"),
        (["--groups", "5"], "equal groups"),
        (["--windows", "4"], "no window '4'"),
        (["--nodes", "0"], "--nodes 0: give a positive integer"),
        (["--distinct", "--replicas", "104"], "--distinct leaves no valid map"),
        (["-o", "map.txt"], "no map format"),
        (["-o", "/nonexistent/map.npz"], "no folder"),
        (["--json", "/nonexistent/report.json"], "no folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(change, message, loads, capsys):
    assert main(["solve", str(loads), *topology(), *change]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("eplb-opt: error: ")
    assert message in streams.err
    assert streams.err.count("\n") == 1


LIMITS = {
    "--time-limit": (["0", "-1", "inf", "nan"], "a positive number"),
    "--work": (["0", "-1", "inf", "nan"], "a positive number"),
    "--gap": (["-1", "inf", "nan"], "a number >= 0"),
    "--workers": (["0", "-1", "99999999999"], "an integer from 1"),
    "--seed": (["-1", "99999999999"], "an integer from 0"),
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, (values, _) in LIMITS.items() for value in values]
)
def test_errors_of_limits_speak_of_the_option(option, value, loads, capsys):
    for command in (["solve", str(loads), *topology()], ["gap", str(loads), *topology()], ["demo"]):
        assert main([*command, option, value]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"eplb-opt: error: {option} {value}")
        assert f": give {LIMITS[option][1]}" in said
        assert "Limits" not in said
        assert "None" not in said


SIZES = ["--replicas", "16", "--ranks", "8"]


@pytest.mark.parametrize(
    ("options", "seconds", "work"),
    [([], 60.0, None), (["--work", "0.5"], None, 0.5), (["--work", "0.5", "--time-limit", "9"], 9.0, 0.5)],
)
def test_a_work_limit_puts_the_clock_away(options, seconds, work, loads, tmp_path):
    report = tmp_path / "report.json"
    assert main(["solve", str(loads), *SIZES, "--method", "greedy", *options, "--json", str(report)]) == 0
    limits = json.loads(report.read_text())["limits"]
    assert (limits["seconds"], limits["work"]) == (seconds, work)


def test_a_work_limit_gives_equal_results(loads, tmp_path, capsys):
    found = []
    for run in range(2):
        out, report = tmp_path / f"map{run}.json", tmp_path / f"gap{run}.json"
        assert main(["solve", str(loads), *SIZES, "--work", "0.2", "-o", str(out)]) == 0
        assert main(["gap", str(loads), *SIZES, "--work", "0.2", "--json", str(report)]) == 0
        methods = json.loads(report.read_text())["methods"]
        found.append((out.read_bytes(), [row["layer_objective"] for row in methods]))
    assert found[0] == found[1]


@pytest.mark.parametrize("command", ["solve", "gap", "verify", "convert", "demo", "warmup"])
def test_help_is_as_wide_as_the_terminal(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert ("--work N" in shown) == (command in ("solve", "gap", "demo"))


@pytest.mark.parametrize("arguments", [["solve"], ["paint"], [], ["solve", "x", "--replicas", "3x", "--ranks", "1"],
                                       ["convert", "a", "b", "c\nd"]])  # fmt: skip
def test_bad_usage_is_one_line_and_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_map_that_does_not_fit_is_named(loads, tmp_path, capsys):
    path = tmp_path / "map.json"
    path.write_text(json.dumps([[0] * 16] * 2))
    assert main(["gap", str(loads), *topology(), "--methods", "greedy", "--map", str(path)]) == 2
    assert "has no replica" in capsys.readouterr().err
    assert main(["gap", str(loads), *topology(), "--methods", "magic"]) == 2


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            ["--groups", "3", "--nodes", "2"],
            "--groups 3 --nodes 2 have no effect: 3 groups cannot be shared out among 2",
        ),
        (
            ["--nodes", "4"],
            "--nodes 4 has no effect: 1 group cannot be shared out among 4 nodes (--groups names no more)",
        ),
        (["--groups", "4"], "--groups 4 has no effect: one node (--nodes 1, the default) holds every group"),
        (["--groups", "3", "--nodes", "3"], "have no effect: 8 ranks cannot be shared out among 3 nodes"),
        (["--groups", "12", "--nodes", "12"], "have no effect: 8 ranks cannot be shared out among 12 nodes"),
        (["--groups", "4", "--nodes", "2"], ""),
        ([], ""),
    ],
)
def test_options_without_effect_are_named(options, note, loads, tmp_path, capsys):
    report = tmp_path / "report.json"
    arguments = [str(loads), "--replicas", "16", "--ranks", "8", *options, "--json", str(report)]
    for command in (["solve", *arguments, "--method", "greedy"], ["gap", *arguments, "--methods", "greedy"]):
        assert main(command) == 0
        streams = capsys.readouterr()
        assert note in streams.err
        assert streams.err.count("\n") == bool(note)
        content = json.loads(report.read_text())
        assert [note in found for found in content["notes"]] == [True] * bool(note)
        assert content["mode"] == ("hierarchical" if options and not note else "global")
        assert f"{content['mode']} mode" in streams.out


@pytest.fixture
def dump(tmp_path):
    """An SGLang recording: 10 hidden layers, of which 5 and 8 are MoE."""
    path, count = tmp_path / "dump.pt", torch.zeros(1, 10, 12, dtype=torch.int32)
    count[0, [5, 8]] = torch.tensor(TWO_LAYERS, dtype=torch.int32)
    torch.save({"rank": 0, "logical_count": count, "average_utilization_rate_over_window": None}, path)
    return path


SOLVED = {
    "sglang": "json",
    "vllm": "jsonl",
    "vllm-ascend": "json",
    "tensorrt-llm": "yaml",
    "npz": "npz",
    "json": "json",
}


@pytest.mark.parametrize("name", SOLVED)
def test_solve_writes_what_engines_load(name, dump, tmp_path, capsys):
    out, report = tmp_path / f"map.{SOLVED[name]}", tmp_path / "report.json"
    distinct = ["--distinct"] if name == "vllm-ascend" else []
    arguments = [*topology(), *distinct, "--format", name, "-o", str(out), "--json", str(report)]
    assert main(["solve", str(dump), *arguments]) == 0
    assert "2 layers x 12 experts" in capsys.readouterr().out
    assert main(["gap", str(dump), *topology(), "--methods", "greedy", "--map", str(out)]) == 0
    assert main(["verify", str(out), str(report), str(dump)]) in (0, 3)  # 3: a bound rests on CP-SAT


def test_solve_for_lmdeploy_writes_its_loads(dump, tmp_path, capsys):
    out = tmp_path / "plan.json"
    assert main(["solve", str(dump), *topology(), "--method", "greedy", "--format", "lmdeploy", "-o", str(out)]) == 0
    assert "LMDeploy loads no map" in capsys.readouterr().out
    rows = json.loads(out.read_text())
    assert (len(rows), rows[5], rows[0]) == (10, TWO_LAYERS[0], [0] * 12)


def test_convert_there_and_back(dump, tmp_path, capsys):
    first, last = tmp_path / "map.npz", tmp_path / "last.npz"
    solve = ["solve", str(dump), *topology(), "--method", "greedy"]
    assert main([*solve, "--distinct", "-o", str(first)]) == 0
    named = ["--layers", "5,8"]
    steps = [("sglang", "a.json", []), ("vllm-ascend", "b.json", [*named, "--ranks", "8"]), ("vllm", "c.jsonl", []),
             ("tensorrt-llm", "d.yaml", []), ("json", "e.json", []), ("npz", "last.npz", [])]  # fmt: skip
    source = first
    for name, file, options in steps:
        assert main(["convert", str(source), str(tmp_path / file), "--format", name, *options]) == 0
        source = tmp_path / file
    with np.load(first) as one, np.load(last) as two:
        for key in ("physical_to_logical_map", "layer_ids"):
            assert one[key].tolist() == two[key].tolist()
    capsys.readouterr()
    assert main(["convert", str(tmp_path / "a.json"), str(tmp_path / "f.jsonl"), "--format", "vllm"]) == 2
    assert "name the MoE layers with --layers" in capsys.readouterr().err


def test_convert_loads(dump, tmp_path, capsys):
    assert main(["convert", str(dump), str(tmp_path / "loads.json")]) == 0
    assert json.loads((tmp_path / "loads.json").read_text())["layer_ids"] == [5, 8]
    assert main(["convert", str(tmp_path / "loads.json"), str(tmp_path / "plan.json"), "--format", "lmdeploy"]) == 0
    assert len(json.loads((tmp_path / "plan.json").read_text())) == 10
    assert "loads: 1 windows x 2 layers x 12 experts, lmdeploy" in capsys.readouterr().out
    np.save(tmp_path / "bare.npy", np.array(TWO_LAYERS))
    arguments = ["--format", "lmdeploy", "--hidden-layers", "10", "--layers", "5,8"]
    assert main(["convert", str(tmp_path / "bare.npy"), str(tmp_path / "bare.json"), *arguments]) == 0
    assert json.loads((tmp_path / "bare.json").read_text()) == json.loads((tmp_path / "plan.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "sglang", "-o", "map.txt"], "ends in .json or .pt"),
        (["--format", "sglang", "--hidden-layers", "8", "-o", "map.json"], "it has 10 hidden layers"),
        (["--format", "vllm-ascend", "-o", "map.json"], "add --distinct"),
        (["--format", "paper", "-o", "map.json"], "no format 'paper'"),
        (["--input-format", "lmdeploy"], "no 'counts'"),
        (["--layers", "3"], "no token recorded in any"),
    ],
)
def test_what_cannot_be_written_is_said_before_solving(arguments, message, dump, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["solve", str(dump), *topology(), *arguments]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert message in streams.err
    assert main(["convert", str(dump), "map.json", "--format", "vllm"]) == 2
    assert "solve first" in capsys.readouterr().err


NPZ, PLAN = ["--format", "npz"], ["--format", "lmdeploy", "--hidden-layers"]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ([[1.0, float("nan")]], NPZ, "not finite"),
        ([[1.0, -2.0]], [*PLAN, "1"], "negative"),
        ({"load": [[1, 2], [3, 4]], "layer_ids": [2, 2]}, [*PLAN, "4"], "different"),
        ({"load": [[1, 2], [3, 4]], "layer_ids": [-1, 2]}, [*PLAN, "4"], "different"),
        ({"load": [[1, 2]], "layer_ids": [7], "hidden_layers": 3}, NPZ, "layer 7 is beyond 3"),
        ({"load": [[1, 2]], "hidden_layers": 3}, [*NPZ, "--hidden-layers", "5"], "it has 3 hidden layers"),
        ({"load": [[1, 2]], "physical_to_logical_map": [[0, 1]]}, NPZ, "loads and a map"),
        ({"physical_to_logical_map": [[0, 1]]}, [*NPZ, "--ranks", "0"], "--ranks"),
        ({"physical_to_logical_map": [[0, 1]], "num_ranks": 2}, [*NPZ, "--ranks", "1"], "it has 2 ranks"),
        ({"physical_to_logical_map": [[0, 1, 0]], "num_experts": 2}, [*NPZ, "--ranks", "2"], "divisor of 3"),
        ({"physical_to_logical_map": [[0, 1]], "num_experts": 10**13}, NPZ, "in 2 slots"),
        (
            {"physical_to_logical_map": [[0, 1]], "layer_ids": [0]},
            ["--format", "sglang", "--hidden-layers", "1000000000"], "no model has more",
        ),
        ([[1, 2]], [*NPZ, "--layers", "0:99999999999999"], "--layers"),
        ([{"record_type": "weird"}, {"record_type": "eplb_load_stats"}], NPZ, "records of type"),
    ],
)  # fmt: skip
def test_convert_drops_nothing_silently(content, arguments, message, tmp_path, capsys):
    lines = [content] if not isinstance(content, list) or isinstance(content[0], list) else content
    (tmp_path / "input").write_text("\n".join(map(json.dumps, lines)))
    try:
        status = main(["convert", str(tmp_path / "input"), str(tmp_path / "out.json"), *arguments])
    except SystemExit as stopped:  # argparse
        status = stopped.code
    errors = capsys.readouterr().err
    assert (status, errors.count("\n")) == (2, 1)
    assert message in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input"]


def test_what_is_assumed_of_a_recording_is_said(dump, tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["convert", str(dump), str(tmp_path / "loads.npz")]) == 0
        assert "warning: " in (said := capsys.readouterr().err)
        assert said.count("\n") == 1
        assert main(["convert", str(dump), str(tmp_path / "loads.npz"), "--layers", "5,6,8"]) == 0
    assert capsys.readouterr().err == ""
    np.savez(tmp_path / "map.npz", physical_to_logical_map=[[0, 1], [1, 0]], num_experts=2)
    assert main(["convert", str(tmp_path / "map.npz"), str(tmp_path / "map.json")]) == 0
    assert "layers 0..1, as the input does not number them" in capsys.readouterr().out


def test_the_installed_command_runs(loads):
    run = subprocess.run([sys.executable, "-m", "eplb_opt.cli", "gap", str(loads), *topology(), "--methods", "greedy"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    assert "greedy" in run.stdout


def test_warmup_compiles_once(capsys):
    assert main(["warmup"]) == 0
    capsys.readouterr()
    assert main(["warmup"]) == 0
    assert capsys.readouterr() == ("nothing to compile: numba's cache holds everything\n", "")


def test_what_is_compiled_is_said(loads, monkeypatch, capsys):
    def compiling(method, windows):
        logging.getLogger("eplb_opt").info("compiling, once")
        return 1.0

    monkeypatch.setattr("eplb_opt.solving.warm_up", compiling)
    assert main(["solve", str(loads), *topology(2)]) == 0
    streams = capsys.readouterr()
    assert set(streams.err.splitlines()) == {"eplb-opt: note: compiling, once"}
    assert "compiled for 3.0 s first, once for this installation; not counted above" in streams.out


def test_layers_that_nobody_numbered_are_not_guessed(tmp_path, capsys):
    loads = tmp_path / "loads.npy"
    np.save(loads, np.random.default_rng(0).lognormal(size=(3, 8)))
    solve = ["solve", str(loads), "--replicas", "12", "--ranks", "4", "--method", "greedy", "--format", "sglang",
             "-o", str(tmp_path / "map.json")]  # fmt: skip
    assert main([*solve, "--hidden-layers", "5"]) == 2
    assert "--layers" in capsys.readouterr().err
    assert main([*solve, "--hidden-layers", "3"]) == 0
    assert "layers 0..2" in capsys.readouterr().out
    assert main([*solve, "--hidden-layers", "5", "--layers", "2:5"]) == 0
    assert "layers 0..2" not in capsys.readouterr().out

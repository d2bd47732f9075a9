"""``eplb-opt report``: loads, or what another command wrote, as a page; and ``--report`` of other commands."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt.cli import main

from .common import TOPOLOGY, write_loads

LOADS = "loads.npz"


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Runs the command in a folder with loads; the exit code, and what it prints."""
    write_loads(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run_command(*words):
        code = main(words)
        return code, *capfd.readouterr()

    return run_command


def figures_of(path):
    text = path.read_text()
    return [name for name in ("ranks", "layers", "experts", "windows", "moves") if f'data-figure="{name}"' in text]


def test_loads_become_a_page_and_its_summary_is_printed(run, tmp_path):
    code, out, _ = run("report", LOADS, *TOPOLOGY, "--method", "refined", "-o", "page.html")
    assert code == 0
    assert figures_of(tmp_path / "page.html") == ["ranks", "layers", "experts"]
    assert out.endswith("page: page.html (open it in a browser)\n")
    assert "above the mean in layer" in out


def test_a_map_in_use_is_shown_with_what_moves(run, tmp_path):
    run("solve", LOADS, *TOPOLOGY, "--method", "greedy", "-o", "map.npz")
    words = ["report", LOADS, *TOPOLOGY, "--method", "refined", "--map", "map.npz", "--json", "report.json"]
    code, out, _ = run(*words, "-o", "page.html")
    assert code == 0
    assert "moves" in figures_of(tmp_path / "page.html")
    moves = json.loads((tmp_path / "report.json").read_text())["totals"]["moves"]
    assert f"moves {moves} replicas of 32" in out


def test_json_on_standard_output_stands_alone(run):
    _, out, _ = run("report", LOADS, *TOPOLOGY, "--method", "greedy", "-o", "page.html", "--json", "-")
    assert json.loads(out)["method"] == "greedy"


def test_a_report_becomes_a_page_with_and_without_its_loads(run, tmp_path):
    run("solve", LOADS, *TOPOLOGY, "--method", "greedy", "-o", "map.npz", "--json", "report.json")
    assert run("report", "report.json", "-o", "alone.html")[0] == 0
    assert figures_of(tmp_path / "alone.html") == ["layers"]
    words = ["report", "report.json", "--loads", LOADS]
    assert run(*words, "-o", "loads.html")[0] == 0
    assert run(*words, "--map", "map.npz", "-o", "page.html")[0] == 0
    assert figures_of(tmp_path / "page.html") == ["ranks", "layers", "experts"]


def test_what_gap_and_replay_wrote_becomes_a_page(run, tmp_path):
    run("gap", LOADS, *TOPOLOGY, "--methods", "greedy", "--json", "gap.json")
    assert run("report", "gap.json", "-o", "gap.html")[0] == 0
    assert figures_of(tmp_path / "gap.html") == ["layers"]
    np.savez("trace.npz", load=np.random.default_rng(0).integers(1, 99, (6, 2, 12)))
    run("replay", "trace.npz", *TOPOLOGY, "--policies", "contiguous,greedy", "--json", "replay.json")
    assert run("report", "replay.json", "-o", "replay.html")[0] == 0
    assert "Replay of recorded traffic" in (tmp_path / "replay.html").read_text()


WRONG = {
    "no topology": (["report", LOADS, "-o", "p.html"], "give --replicas and --ranks"),
    "no such file": (["report", "nothing.json", "-o", "p.html"], "cannot read nothing.json"),
    "the loads replaced": (["report", LOADS, *TOPOLOGY, "-o", LOADS], "which it would replace"),
    "no folder": (["report", LOADS, *TOPOLOGY, "-o", "none/p.html"], "there is no folder"),
    "loads twice": (
        ["report", LOADS, *TOPOLOGY, "--loads", LOADS, "-o", "p.html"],
        "goes with a file that solve wrote",
    ),
    "a topology of a report": (["report", "report.json", *TOPOLOGY, "-o", "p.html"], "goes with recorded loads"),
    "a map without loads": (["report", "report.json", "--map", "map.npz", "-o", "p.html"], "give --loads FILE"),
    "loads of another report": (["report", "report.json", "--loads", "other.npz", "-o", "p.html"], "other loads"),
    "loads beside gap's": (["report", "gap.json", "--loads", LOADS, "-o", "p.html"], "goes with a file that solve"),
    "a map of another model": (
        ["report", LOADS, *TOPOLOGY, "--method", "greedy", "--map", "small.npz", "-o", "p.html"],
        "small.npz",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_and_no_page(case, run, tmp_path):
    words, expected = WRONG[case]
    run("solve", LOADS, *TOPOLOGY, "--method", "greedy", "-o", "map.npz", "--json", "report.json")
    run("gap", LOADS, *TOPOLOGY, "--methods", "greedy", "--json", "gap.json")
    np.savez("other.npz", load=np.ones((1, 2, 12)), layer_ids=[5, 8])
    np.savez("three.npz", load=np.ones((1, 2, 3)), layer_ids=[5, 8])
    run("solve", "three.npz", "--replicas", "4", "--ranks", "2", "--method", "greedy", "-o", "small.npz")
    code, _, err = run(*words)
    assert code == 2
    (line,) = [line for line in err.splitlines() if "error" in line]
    assert expected in line
    assert not (tmp_path / "p.html").exists()


def test_options_of_plans_have_no_effect_on_what_was_found(run):
    run("solve", LOADS, *TOPOLOGY, "--method", "greedy", "--json", "report.json")
    _, _, err = run("report", "report.json", "-o", "page.html", "--method", "milp", "--max-moves", "3")
    assert err == "eplb-opt: note: --method, --max-moves have no effect: report.json is what a command found\n"
    assert run("report", "report.json", "-o", "page.html")[2] == ""


def test_solve_gap_and_replay_write_a_page_of_what_they_found(run, tmp_path):
    code, out, _ = run("solve", LOADS, *TOPOLOGY, "--method", "greedy", "-o", "map.npz", "--report", "solve.html")
    assert (code, out.splitlines()[-1]) == (0, "page: solve.html (open it in a browser)")
    assert figures_of(tmp_path / "solve.html") == ["ranks", "layers", "experts"]
    code, out, _ = run("gap", LOADS, *TOPOLOGY, "--methods", "refined", "--map", "map.npz", "--report", "gap.html")
    assert (code, out.splitlines()[-1]) == (0, "page: gap.html (open it in a browser)")
    assert figures_of(tmp_path / "gap.html") == ["ranks", "layers", "experts"]
    assert "map map.npz" in (tmp_path / "gap.html").read_text()
    np.savez("trace.npz", load=np.random.default_rng(0).integers(1, 99, (6, 2, 12)))
    code, out, _ = run("replay", "trace.npz", *TOPOLOGY, "--policies", "greedy", "--report", "replay.html")
    assert (code, out.splitlines()[-1]) == (0, "page: replay.html (open it in a browser)")


@pytest.mark.parametrize("limit", ["0.0001", "0.5"])
def test_layers_are_optimal_within_the_gap_that_was_asked_for(limit, run, tmp_path):
    words = ["gap", LOADS, *TOPOLOGY, "--methods", "greedy", "--gap", limit, "--json", "gap.json"]
    run(*words, "--report", "page.html")
    found = json.loads((tmp_path / "gap.json").read_text())["methods"][0]
    run("report", "gap.json", "-o", "again.html")
    for page in ("page.html", "again.html"):
        assert f">{found['optimal']} of 2</td>" in (tmp_path / page).read_text()
    assert found["optimal"] == (2 if limit == "0.5" else 0)


@pytest.mark.parametrize("command", ["solve", "gap", "replay"])
def test_a_page_does_not_replace_an_input(command, run):
    code, _, err = run(command, LOADS, *TOPOLOGY, "--report", LOADS)
    assert code == 2
    assert "--report loads.npz is the input" in err

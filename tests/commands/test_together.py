"""Options and commands that meet: what is asked of one holds in the other, and no message names Python's arguments."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Cost, Instance, Objective, Placement, solve
from eplb_opt.cli import main
from eplb_opt.pages.studies import shown_map, study_of_report
from eplb_opt.pages.summary import _heaviest_rank

SIZES = ["--replicas", "20", "--ranks", "4"]
PYTHON_NAME = re.compile(r"\b[a-z]+_[a-z_]+=|=None|=True")
NONE = ["--method", "greedy"]
PLAYED = ["--policies", "greedy"]
SWEPT = ["--replicas", "16", "--ranks", "4", "--tokens-per-step", "64"]
STEP = ["--tokens-per-step", "64", "--top-k", "17"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    loads = np.rint(random.lognormal(0, 1, (3, 2, 16)) * 1000)
    np.savez("loads.npz", load=loads)
    np.savez("other.npz", load=np.tile(loads, (1, 1, 2)))
    np.savez("silent.npz", load=np.zeros((2, 2, 16)))
    np.savez("huge.npz", load=loads * 1e250)
    np.savez("tiny.npz", load=loads * 1e-250)
    Cost.roofline(40.0, 0.5, per_rank=2.0).save("cost.json")
    return tmp_path


def refused(arguments, capsys):
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert not PYTHON_NAME.search(streams.err)
    return streams.err


@pytest.mark.filterwarnings("ignore:.*no token in")
@pytest.mark.parametrize("cost", [[], ["--cost", "cost.json"]], ids=["tokens", "time"])
def test_a_sweep_of_loads_without_tokens_gains_nothing(cost, capsys):
    step = ["--tokens-per-step", "64", "--json", "-"]
    assert main(["sweep", "silent.npz", "--replicas", "16,20", "--ranks", "4", *NONE, *step, *cost]) == 0
    (advice,) = json.loads(capsys.readouterr().out)["advice"]
    assert (advice["gain"], advice["most_loss"]) == (0.0, 0.0)


MORE_EXPERTS = {
    "gap": ["gap", "loads.npz", *SIZES, "--methods", "greedy", "--across", "sum", *STEP],
    "gap in time": ["gap", "loads.npz", *SIZES, "--methods", "greedy", "--cost", "cost.json", *STEP],
    "solve in time": ["solve", "loads.npz", *SIZES, *NONE, "--cost", "cost.json", *STEP],
    "replay": ["replay", "loads.npz", *SIZES, *PLAYED, *STEP],
    "sweep": ["sweep", "loads.npz", *SWEPT, *NONE, "--top-k", "17"],
}


@pytest.mark.parametrize("name", MORE_EXPERTS)
def test_a_token_goes_to_no_more_experts_than_there_are(name, capsys):
    assert "--top-k 17 of 16 experts" in refused(MORE_EXPERTS[name], capsys)


def test_an_objective_is_said_of_its_options(capsys):
    cvar = ["solve", "loads.npz", *SIZES, *NONE, "--across", "cvar", "--level", "1"]
    assert "--level 1.0: give a share" in refused(cvar, capsys)
    step = ["gap", "loads.npz", *SIZES, "--across", "sum", "--cost", "cost.json", "--tokens-per-step", str(10**20)]
    assert f"--tokens-per-step {10**20}: give" in refused(step, capsys)


def test_a_map_in_use_and_a_cost_are_refused_without_python(capsys):
    assert main(["solve", "loads.npz", *SIZES, *NONE, "--across", "sum", "-o", "map.npz"]) == 0
    capsys.readouterr()
    both = ["--across", "sum", "--cost", "cost.json", "--previous", "map.npz"]
    assert "previous with a cost is not supported yet" in refused(["solve", "loads.npz", *SIZES, *NONE, *both], capsys)


@pytest.mark.parametrize("command", ["verify", "report"])
def test_loads_of_another_model_than_the_report(command, capsys):
    files = ["map.npz", "report.json"]
    asked = ["--across", "sum", "-o", files[0], "--json", files[1]]
    assert main(["solve", "loads.npz", *SIZES, *NONE, *asked]) == 0
    capsys.readouterr()
    again = {
        "verify": ["verify", *files, "other.npz"],
        "report": ["report", files[1], "--loads", "other.npz", "-o", "page.html"],
    }[command]
    assert "the loads are of 32 experts, the report is of 16" in refused(again, capsys)


def test_only_json_goes_to_standard_output(folder, capsys):
    page = ["report", "loads.npz", *SIZES, *NONE, "-o", "-"]
    assert "-o -: only --json goes to standard output" in refused(page, capsys)
    page = ["gap", "loads.npz", *SIZES, "--methods", "greedy", "--report", "-"]
    assert "--report -: only --json goes to standard output" in refused(page, capsys)
    assert not (folder / "-").exists()


def test_a_sweep_of_other_loads_is_not_gone_on_with(capsys):
    kept = [*SWEPT, *NONE, "--journal", "sweep.sqlite"]
    assert main(["sweep", "loads.npz", *kept]) == 0
    capsys.readouterr()
    assert "is of another job, with other loads" in refused(["sweep", "huge.npz", *kept], capsys)


@pytest.mark.parametrize("name", ["huge.npz", "tiny.npz"])
def test_loads_of_any_size_fit_the_terminal(name, capsys):
    assert main(["inspect", name]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    total = float(np.load(name)["load"].sum())
    assert f"tokens: {total:.4g} routed" in shown


def test_the_page_of_a_gap_in_time_says_what_it_is_over(capsys):
    """By hand: the page's number of the given map is its time over the mean rank time of the best method."""
    step = ["--cost", "cost.json", "--tokens-per-step", "512", "--across", "sum"]
    assert main(["solve", "loads.npz", *SIZES, *NONE, "--across", "sum", "-o", "map.npz"]) == 0
    asked = ["--methods", "refined", "--map", "map.npz", "--json", "gap.json", "--work", "0.2", "--workers", "1"]
    assert main(["gap", "loads.npz", *SIZES, *step, *asked]) == 0
    capsys.readouterr()
    assert main(["report", "gap.json", "-o", "page.html"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    with open("gap.json") as file:
        methods = {row["method"]: row for row in json.load(file)["methods"]}
    refined = methods["refined"]
    unit = np.array(refined["layer_objective"]) / np.array(refined["layer_imbalance"])
    above = (np.array(methods["map map.npz"]["layer_objective"]) / unit).mean() - 1
    assert "above the mean rank time of refined in layer" in shown
    assert f"in the mean of all layers the heaviest rank is {above * 100:.{0 if above >= 0.1 else 1}f} % above" in shown
    assert "less time, by the cost" in shown
    assert "tokens" not in shown.partition("a step, top-8")[2]


def test_no_time_is_saved_where_each_map_is_over_its_own_mean(capsys):
    step = ["--cost", "cost.json", "--tokens-per-step", "512", "--across", "max"]
    assert main(["solve", "loads.npz", *SIZES, *NONE, *step, "--report", "page.html", "--json", "report.json"]) == 0
    shown = capsys.readouterr().out
    with open("report.json") as file:
        found = json.load(file)["totals"]["imbalance_mean"]
    assert "saves" not in shown
    assert main(["gap", "loads.npz", *SIZES, *step, "--methods", "greedy"]) == 0
    assert "saves" not in capsys.readouterr().out
    assert f"this map {found:.5f}" in shown
    assert main(["report", "report.json", "--loads", "loads.npz", "-o", "page.html"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "less time" not in said
    assert "fewer tokens" not in said


def test_the_slowest_rank_is_named_by_its_time():
    """Rank 0 has most tokens, rank 1 twice as many experts that have to be read."""
    cost = Cost.roofline(100.0, 1.0)
    instance = Instance([[150.0, 0.0, 60.0, 60.0]], 4, num_ranks=2, objective=Objective(cost=cost))
    report = solve(instance, "greedy").to_dict()
    study = study_of_report(report, instance)
    shown = shown_map("map x", Placement([[0, 1, 2, 3]], 4), instance, np.ones(1))
    assert _heaviest_rank(shown, 0, study) == 1


def test_a_dry_run_is_of_the_objective_asked_for(capsys):
    asked = ["--across", "max", "--cost", "cost.json", "--tokens-per-step", "64", "--dry-run", "--json", "-"]
    assert main(["solve", "loads.npz", *SIZES, *NONE, *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["instance"].endswith(
        "objective: worst imbalance of 3 windows; cost: roofline, in s, 64 tokens a step, top-8"
    )


def test_sizes_of_a_file_for_all_commands_are_no_error_in_a_page_of_what_was_found(folder, capsys):
    (folder / "sizes.toml").write_text("replicas = 20\nranks = 4\n")
    config = ["--config", "sizes.toml"]
    assert main(["solve", "loads.npz", *config, *NONE, "--across", "sum", "--json", "report.json"]) == 0
    assert main(["report", "report.json", *config, "-o", "page.html"]) == 0
    capsys.readouterr()
    typed = ["report", "report.json", "--replicas", "20", "-o", "page.html"]
    assert "--replicas 20 goes with recorded loads" in refused(typed, capsys)


@pytest.mark.parametrize("option", ["--max-moves", "--slack", "--move-price"])
def test_limits_of_moves_are_said_of_options(option, capsys):
    assert main(["solve", "loads.npz", *SIZES, *NONE, "--across", "sum", "-o", "map.npz"]) == 0
    capsys.readouterr()
    moves = ["--across", "sum", "--previous", "map.npz", option, "nan"]
    said = refused(["solve", "loads.npz", *SIZES, *NONE, *moves], capsys)
    assert f"{option} nan: give" in said
    assert "None" not in said


@pytest.mark.parametrize(("scale", "shown"), [(1e-8, "0.64 us"), (1e-5, "640 us"), (1e20, "6.4e+27 us")])
def test_a_sweep_writes_times_of_any_size_in_few_digits(scale, shown, capsys):
    """By hand: four experts on a rank, each of which costs the same whatever it gets."""
    even = np.ones((1, 1, 16))
    np.savez("even.npz", load=even)
    Cost.roofline(16.0 * scale, 0.0).save("flat.json")
    assert main(["sweep", "even.npz", *SWEPT, *NONE, "--cost", "flat.json"]) == 0
    assert f" {shown}" in capsys.readouterr().out


SAID = {
    "too many tokens": (
        ["gap", "loads.npz", *SIZES, "--across", "sum", "--tokens-per-step", "9999999999", "--top-k", "8"],
        "--tokens-per-step 9999999999 times --top-k 8: at most",
    ),
    "too many tokens replayed": (
        ["replay", "loads.npz", *SIZES, *PLAYED, "--tokens-per-step", "9999999999"],
        "--tokens-per-step 9999999999 times --top-k 1: at most",
    ),
    "too many tokens swept": (
        ["sweep", "loads.npz", "--replicas", "16", "--ranks", "4", "--tokens-per-step", "9999999999"],
        "--tokens-per-step 9999999999 times --top-k 8: at most",
    ),
    "labels to plan on alone": (["replay", "loads.npz", *SIZES, "--train", "a,b"], "--train a,b goes with --test"),
    "labels to judge on alone": (["replay", "loads.npz", *SIZES, "--test", "a"], "--test a goes with --train"),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_wrong_names_the_option_and_the_fix(case, capsys):
    arguments, said = SAID[case]
    assert said in refused(arguments, capsys)


@pytest.mark.parametrize("command", ["solve", "gap", "replay", "report", "sweep"])
def test_a_map_in_place_of_loads_is_said_to_be_one(command, capsys):
    assert main(["solve", "loads.npz", *SIZES, *NONE, "-o", "map.npz", "-q"]) == 0
    capsys.readouterr()
    more = {"report": ["-o", "page.html"], "sweep": ["--tokens-per-step", "64"]}.get(command, [])
    assert "map.npz is a map, not recorded loads" in refused([command, "map.npz", *SIZES, *more], capsys)


def test_a_gap_may_be_given_in_percent(capsys):
    assert main(["solve", "loads.npz", *SIZES, *NONE, "--gap", "2%", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["limits"]["gap"] == 0.02


def test_a_gap_report_says_what_was_optimised(capsys):
    assert main(["gap", "loads.npz", *SIZES, "--methods", "greedy", "--across", "max", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["objective"]["across"] == "max"

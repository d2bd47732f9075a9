"""A sweep: its cells, its frontier and advice, and how it goes on after an interrupt."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from eplb_opt import Instance, Placement, solve
from eplb_opt.claims.reading import read_section
from eplb_opt.cli import main
from eplb_opt.commands.sweep import numbers
from eplb_opt.errors import JournalError
from eplb_opt.journal.journal import Journal
from eplb_opt.limits import Limits
from eplb_opt.merging.merge import merged
from eplb_opt.merging.parts import read_parts
from eplb_opt.problem.objective import Objective
from eplb_opt.report.sweep import summary_lines
from eplb_opt.report.sweep_schema import ADVICE, CELL, LEFT_OUT, SWEEP
from eplb_opt.sweeping import cells as cells_module
from eplb_opt.sweeping.advice import advise, with_frontier
from eplb_opt.sweeping.merged import joined
from eplb_opt.sweeping.setting import Setting
from eplb_opt.sweeping.sweep import sweep

from ..merging.reports import without_times
from .test_judge import ROOFLINE

LIMITS = Limits(seconds=None)
SKEWED = np.random.default_rng(4).lognormal(4, 1, (1, 3, 8)).round()


def setting(**rest):
    given = {"replicas": [8, 12], "ranks": [2, 4], "tokens_per_step": [16, 512], "method": "greedy", "limits": LIMITS}
    return Setting(SKEWED, **given | rest)


def cell(kind, replicas, step, ranks=2, tokens=8):
    return {"map": kind, "replicas": replicas, "ranks": ranks, "tokens_per_step": tokens, "step": step} | {
        "step_bound": step / 2
    }


def test_every_combination_is_a_cell_and_none_is_below_its_bound():
    report = sweep(setting(bytes_per_expert=10))
    assert report["complete"]
    names = ("map", "replicas", "ranks", "tokens_per_step")
    planned = {tuple(row[name] for name in names) for row in report["cells"] if row["map"] == "planned"}
    expected = {("planned", slots, ranks, tokens) for slots in (8, 12) for ranks in (2, 4) for tokens in (16, 512)}
    assert planned == expected
    assert sum(row["map"] == "off" for row in report["cells"]) == 4
    for row in report["cells"]:
        assert row["step"] >= row["step_bound"] - 4 * row["step_error"]
        assert row["slots_bytes"] == row["replicas"] // row["ranks"] * 3 * 10
        if row["map"] == "planned":
            assert row["imbalance"] >= row["bound"] >= 1


def skewed_where_nobody_looks():
    """Eight windows, of which the four that are judged are even."""
    load = np.full((8, 1, 8), 100.0)
    load[[1, 3, 4, 6], 0, 0] = 5000.0
    return load


def with_a_silent_layer():
    load = SKEWED.copy()
    load[:, 1] = 0
    return load


OTHER_TRAFFIC = {
    "mean": (skewed_where_nobody_looks(), Objective("mean")),
    "max": (skewed_where_nobody_looks(), Objective("max")),
    "a silent layer": (with_a_silent_layer(), Objective()),
}


@pytest.mark.parametrize("what", OTHER_TRAFFIC)
def test_a_plans_bound_is_none_of_steps_of_other_traffic(what):
    load, objective = OTHER_TRAFFIC[what]
    given = {"replicas": [8], "ranks": [4], "tokens_per_step": [4096], "method": "greedy", "limits": LIMITS}
    for row in sweep(Setting(load, objective=objective, **given))["cells"]:
        assert row["step"] >= row["step_bound"] - 4 * row["step_error"]


@pytest.mark.parametrize("cost", [None, ROOFLINE])
def test_the_report_is_what_the_page_says(cost):
    report = json.loads(json.dumps(sweep(setting(cost=cost, ranks=[2, 5])), allow_nan=False))
    assert sorted(report) == sorted(SWEEP.names())
    assert len(report["left_out"]) == 2
    for name, section in (("cells", CELL), ("advice", ADVICE), ("left_out", LEFT_OUT)):
        for row in report[name]:
            assert sorted(row) == sorted(section.names())
            read_section(row, section, name, lambda _: True)
    read_section(report, SWEEP, "sweep", lambda _: True)


def test_with_a_cost_every_batch_has_a_plan_in_time_of_its_own():
    report = sweep(setting(cost=ROOFLINE, method="refined", top_k=2))
    for row in report["cells"]:
        objective = Objective(cost=ROOFLINE, tokens_per_step=row["tokens_per_step"], top_k=2)
        instance = Instance(SKEWED, row["replicas"], num_ranks=row["ranks"], objective=objective)
        assert row["bound"] is None
        if row["map"] == "off":
            in_order = Placement(np.tile(np.arange(8), (3, 1)), 8)
            assert row["time"] == pytest.approx(in_order.objective(instance).mean())
            assert row["time_bound"] is None
            continue
        plan = solve(instance, "refined", LIMITS)
        assert row["time"] == pytest.approx(plan.objective.mean())
        assert 0 < row["time_bound"] <= row["time"]
        assert row["gap"] == pytest.approx(plan.gap.mean())


def test_without_a_cost_and_over_windows_no_time_is_said():
    windows = np.concatenate([SKEWED, SKEWED[:, :, ::-1]])
    given = {"replicas": [8], "ranks": [2], "tokens_per_step": [16], "method": "greedy", "limits": LIMITS}
    reports = [sweep(setting()), sweep(Setting(windows, cost=ROOFLINE, objective=Objective("mean"), **given))]
    for row in (row for report in reports for row in report["cells"]):
        assert row["time"] is None
        assert row["map"] == "off" or row["bound"] >= 1


def test_the_batches_share_the_time_of_their_plans():
    limits = Limits(seconds=6.0)
    assert setting(limits=limits, cost=ROOFLINE, tokens_per_step=[1, 2, 3]).limits_of_plan.seconds == 2.0
    assert setting(limits=limits, tokens_per_step=[1, 2, 3]).limits_of_plan.seconds == 6.0
    assert setting(cost=ROOFLINE).limits_of_plan.seconds is None


@pytest.mark.parametrize("cost", [None, ROOFLINE])
def test_advice_says_how_far_any_map_of_these_slots_is(cost):
    report = sweep(setting(cost=cost))
    for row in report["advice"]:
        beside = [
            cell["step_bound"]
            for cell in report["cells"]
            if (cell["ranks"], cell["tokens_per_step"]) == (row["ranks"], row["tokens_per_step"])
        ]
        assert row["least"] == min(beside)
        assert row["above_least"] == pytest.approx(row["step"] / row["least"] - 1)


def test_the_mode_of_maps_is_said(loads, capsys):
    assert main(arguments(loads, "--groups", "4", "--nodes", "2", "--distinct")) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "4 groups kept whole on 2 nodes where these divide groups and ranks; no rank holds an expert twice" in out


def test_the_same_sweep_gives_the_same_numbers():
    cost = ROOFLINE
    one, two = (sweep(setting(cost=cost)) for _ in range(2))
    for report in (one, two):
        for row in report["cells"]:
            row.pop("seconds")
    assert one == two


def test_the_frontier_has_what_nothing_smaller_beats():
    rows = [cell("off", 8, 5.0), cell("planned", 8, 4.0), cell("planned", 12, 4.0), cell("planned", 16, 3.0)]
    assert [row["frontier"] for row in with_frontier(rows)] == [False, True, False, True]
    elsewhere = [cell("planned", 8, 1.0, tokens=9), cell("planned", 12, 2.0)]
    assert all(row["frontier"] for row in with_frontier(elsewhere))


def test_advice_takes_the_fewest_slots_near_the_best():
    rows = [cell("off", 8, 5.0), cell("planned", 8, 4.0), cell("planned", 12, 3.02), cell("planned", 16, 3.0)]
    (advice,) = advise(rows, 8)
    assert (advice["map"], advice["replicas"], advice["redundant"]) == ("planned", 12, 4)
    assert advice["gain"] == pytest.approx(1 - 3.02 / 5)
    assert advice["redundancy_gain"] == pytest.approx(1 - 3.02 / 4)
    assert advice["most_loss"] == pytest.approx(3.0 / 3.02 - 1)


def test_advice_is_to_leave_it_off_where_nothing_gains_a_hundredth():
    rows = [cell("off", 8, 5.0), cell("planned", 8, 4.96), cell("planned", 12, 6.0)]
    (advice,) = advise(rows, 8)
    assert (advice["map"], advice["redundant"], advice["gain"]) == ("off", 0, 0.0)
    assert advice["most_loss"] == pytest.approx(0.2)
    (advice,) = advise(rows[1:], 8)  # experts in their order are no map
    assert (advice["map"], advice["gain"]) == ("planned", None)


@pytest.mark.parametrize(
    ("redundant", "said"),
    [
        ([0, 0, 0], "at none of these batches"),
        ([0, 4, 8], "from 32 tokens a step on: 4 there"),
        ([4, 0, 8], "at these tokens a step, and not at others: 16 (4), 64 (8)"),
    ],
)
def test_the_batches_at_which_redundant_experts_pay(redundant, said):
    advice = [
        {"ranks": 2, "tokens_per_step": tokens, "redundant": count}
        for tokens, count in zip((16, 32, 64), redundant, strict=True)
    ]
    other = {"ranks": 4, "tokens_per_step": 16, "redundant": 1}
    lines = summary_lines({"complete": True, "advice": [*advice, other]})
    assert said in lines[0]
    assert lines[1].startswith("On 4 ranks redundant experts pay from 16 tokens")


def test_reading_more_experts_makes_redundancy_pay_in_large_batches_only():
    report = sweep(setting(cost=ROOFLINE, ranks=[4], tokens_per_step=[4, 4096], top_k=2))
    few, many = report["advice"]
    assert few["redundant"] == 0
    assert many["redundant"] == 4
    assert many["gain"] > 0.1


def test_a_sweep_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    whole = sweep(setting())
    solved = []
    real = cells_module.solve

    def counted(instance, *arguments):
        if len(solved) == 2:
            raise KeyboardInterrupt
        solved.append((instance.num_replicas, instance.num_ranks))
        return real(instance, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(cells_module, "solve", counted)
        with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j") as journal:
            sweep(setting(), journal=journal)
    before = solved[:]
    solved.clear()
    monkeypatch.setattr(cells_module, "solve", lambda *given: solved.append(given[0]) or real(*given))
    with Journal(tmp_path / "j") as journal:
        resumed = sweep(setting(), journal=journal)
    assert before == [(8, 2), (12, 2)]
    assert [(one.num_replicas, one.num_ranks) for one in solved] == [(8, 4), (12, 4)]
    assert without_times(resumed) == without_times(whole)


def test_shards_of_a_sweep_give_the_report_of_a_single_run(tmp_path):
    whole = sweep(setting())
    paths = [tmp_path / str(number) for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        with Journal(path, f"{number}/3") as journal:
            assert not sweep(setting(), journal=journal)["complete"]
    found = joined(read_parts(paths, {"sweep": "cell"}))
    assert list(found) == list(whole)
    assert without_times(found) == without_times(whole)
    with pytest.raises(JournalError, match="3/3 is missing"):
        read_parts(paths[:2], {"sweep": "cell"})
    with pytest.raises(JournalError, match="is of a sweep, not of a solve"):
        merged(paths)


def test_a_sweep_of_something_else_is_not_gone_on_with(tmp_path):
    with Journal(tmp_path / "j") as journal:
        sweep(setting(), journal=journal)
    with pytest.raises(JournalError, match="top_k=8 instead of top_k=1"), Journal(tmp_path / "j") as journal:
        sweep(setting(top_k=1), journal=journal)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("256:352:32", [256, 288, 320]), ("16,32", [16, 32]), ("4,8:13:4", [4, 8, 12]), ("7,7", [7])],
)
def test_lists_of_numbers(text, expected):
    assert numbers(text) == expected


@pytest.mark.parametrize("text", ["", "0", "1:2", "5:5:1", "1:2:0", "a", "1:10000:1"])
def test_lists_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="first:end:step"):
        numbers(text)


@pytest.fixture
def loads(tmp_path):
    path = tmp_path / "loads.npz"
    np.savez(path, load=SKEWED)
    return path


def arguments(loads, *more):
    swept = ["--replicas", "8:13:4", "--ranks", "2,4,3", "--tokens-per-step", "16,512"]
    return ["sweep", str(loads), *swept, "--method", "greedy", "--work", "1", "--workers", "1", *more]


def test_the_command_says_what_to_do(loads, tmp_path, capsys):
    path = tmp_path / "sweep.json"
    assert main(arguments(loads, "--json", str(path), "--bytes-per-expert", "1000000")) == 0
    report = json.loads(path.read_text())
    out = capsys.readouterr().out
    for row in report["advice"]:
        assert f"{row['ranks']} ranks, {row['tokens_per_step']} tokens a step: " in out
    assert "left out: 8 slots on 3 ranks" in out
    assert "--top-k" in out
    assert "GiB" in out


def test_the_command_judges_in_time_by_a_cost_that_ships(loads, capsys):
    assert main(arguments(loads, "--cost", "h100-deepseek-v3")) == 0
    out = capsys.readouterr().out
    assert "Maps are planned in time, one for each number of tokens." in out
    assert "step us" in out
    assert "time us" in out
    assert "above any map of these slots" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_command_goes_on_with_its_journal(loads, tmp_path, monkeypatch, capsys):
    path = tmp_path / "sweep.json"
    kept = ["--journal", str(tmp_path / "j"), "--json", str(path)]
    assert main(arguments(loads, *kept)) == 0
    first = json.loads(path.read_text())
    monkeypatch.setattr(cells_module, "solve", None)  # is not called again
    assert main(arguments(loads, *kept)) == 0
    assert json.loads(path.read_text()) == first
    capsys.readouterr()
    assert main(arguments(loads, *kept, "--top-k", "1")) == 2
    assert "with --top-k 8 instead of --top-k 1" in capsys.readouterr().err


def test_the_command_has_shards(loads, tmp_path, capsys):
    whole = tmp_path / "whole.json"
    assert main(arguments(loads, "--json", str(whole))) == 0
    journals = [str(tmp_path / f"{number}.sqlite") for number in (1, 2)]
    capsys.readouterr()
    for number, journal in enumerate(journals, 1):
        assert main(arguments(loads, "--journal", journal, "--shard", f"{number}/2")) == 0
        assert f"plans in {journal} (eplb-opt merge joins the shards)" in " ".join(capsys.readouterr().out.split())
    joined_report = tmp_path / "joined.json"
    assert main(["merge", *journals, "--json", str(joined_report)]) == 0
    assert "ranks" in capsys.readouterr().out
    reports = [without_times(json.loads(path.read_text())) for path in (whole, joined_report)]
    assert reports[0] == reports[1]
    assert main(["merge", *journals, "-o", "map.npz"]) == 2
    assert "a sweep has no one map: give --json FILE" in capsys.readouterr().err
    assert main(arguments(loads, "--journal", str(tmp_path / "9"), "--shard", "99/99")) == 0
    assert "shard 99/99 has none of the 7 plans" in capsys.readouterr().out


def test_an_interrupt_keeps_the_cells_that_are_there(loads, tmp_path, monkeypatch, capsys):
    path = tmp_path / "sweep.json"
    real = cells_module.solve

    def interrupted(instance, *arguments):
        if instance.num_ranks == 4:
            raise KeyboardInterrupt
        return real(instance, *arguments)

    monkeypatch.setattr(cells_module, "solve", interrupted)
    page = tmp_path / "sweep.html"
    told = ["--json", str(path), "--report", str(page), "--journal", str(tmp_path / "j")]
    assert main(arguments(loads, *told)) == 130
    shown = capsys.readouterr()
    assert f"interrupted: the results so far are kept: {path}, {page}" in shown.err
    assert "not complete, 8 cells: eplb-opt sweep --journal" in shown.out
    assert "This sweep is not complete" in page.read_text()
    kept = json.loads(path.read_text())
    assert not kept["complete"]
    assert {row["ranks"] for row in kept["cells"] if row["map"] == "planned"} == {2}
    monkeypatch.setattr(cells_module, "solve", real)
    assert main(arguments(loads, *told)) == 0
    whole = json.loads(path.read_text())
    assert whole["complete"]
    assert [row["step"] for row in whole["cells"][: len(kept["cells"])]] == [row["step"] for row in kept["cells"]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--shard", "1/2"], "--shard 1/2 keeps its part in a file: give --journal FILE"),
        (["--tokens-per-step", "1073741824"], "--tokens-per-step 1073741824 times --top-k 8"),
        (["--cost", "none.json"], "cannot read none.json"),
        (["--replicas", "11"], "--replicas 11 is not a multiple of --ranks 2"),
        (["--replicas", "1:2"], "--replicas: '1:2': give numbers a,b or first:end:step"),
    ],
)
def test_what_is_wrong_is_one_line(given, said, loads, capsys):
    try:
        code = main(arguments(loads, *given))
    except SystemExit as stopped:
        code = stopped.code
    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_page_is_written_at_once_and_of_the_file(loads, tmp_path, capsys):
    written = [tmp_path / name for name in ("sweep.json", "once.html", "again.html")]
    report, once, again = map(str, written)
    assert main(arguments(loads, "--json", report, "--report", once, "--cost", "h100-deepseek-v3")) == 0
    assert capsys.readouterr().out.endswith(f"page: {once} (open it in a browser)\n")
    assert main(["report", report, "-o", again]) == 0
    assert written[1].read_text() == written[2].read_text()
    said = capsys.readouterr().out
    assert "Most is gained on" in said
    assert said.splitlines()[-1] == f"page: {again} (open it in a browser)"


def test_groups_without_effect_are_said(loads, capsys):
    assert main(arguments(loads, "--groups", "4")) == 0
    assert "--groups 4 has no effect: one node" in capsys.readouterr().err


def test_an_objective_of_windows_has_no_effect_on_one(loads, capsys):
    assert main(arguments(loads, "--across", "max")) == 0
    assert "--across max has no effect on one window" in capsys.readouterr().err


def test_standard_output_may_be_the_report_alone(loads, capsys):
    assert main(arguments(loads, "--json", "-")) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "eplb_opt.sweep/1"

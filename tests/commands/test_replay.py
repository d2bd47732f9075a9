"""The command replay as a user types it, and sampling in gap."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt.claims.reading import read_section
from eplb_opt.cli import main
from eplb_opt.replayer import play as play_module
from eplb_opt.report.layout import table_lines
from eplb_opt.report.outputs import GAP_SAMPLING
from eplb_opt.report.replay import evidence_table, interval_table, moves_table, outcome_table, parts_table
from eplb_opt.report.replay_schema import ADVICE, COMPARISON, OUTCOME, PARTS, REPLAY

TOPOLOGY = ["--replicas", "12", "--ranks", "4"]
FAST = ["--policies", "contiguous,greedy,refined,refined-windows,own"]


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.npz"
    load = np.random.default_rng(0).integers(1, 100, (12, 2, 8))
    np.savez(path, load=load, layer_ids=[5, 8], window=["code"] * 6 + ["math"] * 6)
    return path


def report_of(path, *options, capsys):
    assert main(["replay", str(path), *TOPOLOGY, *FAST, *options, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def always(_):
    return True


@pytest.mark.parametrize("options", [[], ["--tokens-per-step", "64"], ["--train", "code", "--test", "math"]])
def test_json_is_what_the_page_says(options, trace, capsys):
    report = report_of(trace, *options, capsys=capsys)
    assert tuple(report) == REPLAY.names()
    assert report["schema"] == "eplb_opt.replay/1"
    read_section(report, REPLAY, "replay", always)
    assert tuple(report["advice"]) == ADVICE.names()
    read_section(report["advice"], ADVICE, "advice", always)
    for row in report["advice"]["comparisons"]:
        assert tuple(row) == COMPARISON.names()
        read_section(row, COMPARISON, "comparison", always)
    for row in report["outcomes"]:
        assert tuple(row) == OUTCOME.names()
        read_section(row, OUTCOME, "outcome", always)
        assert (row["parts"] is not None) == (row["shown"] and "--tokens-per-step" in options)
        if row["parts"] is not None:
            assert tuple(row["parts"]) == PARTS.names()
            read_section(row["parts"], PARTS, "parts", always)


def test_tables_and_the_recommendation(trace, tmp_path, capsys):
    out = tmp_path / "replay.json"
    assert main(["replay", str(trace), *TOPOLOGY, *FAST, "--tokens-per-step", "64", "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    report = json.loads(out.read_text())
    for row in report["outcomes"]:
        if row["shown"]:
            assert any(row["policy"] in line and f"{row['imbalance_mean']:.4f}" in line for line in shown.splitlines())
    advice = report["advice"]
    assert f"with {advice['policy']}, {advice['replicas']} replicas" in shown
    assert "chosen on the first 4 served windows" in shown
    assert f"judged on the other 5: mean {advice['imbalance']:.4f}" in shown
    assert "each routed once (--top-k)" in shown


def test_everything_fits_a_terminal(trace, capsys):
    report = report_of(trace, "--tokens-per-step", "64", "--replicas", "12,16", "--interval", "2", capsys=capsys)
    for table in (outcome_table, moves_table, interval_table, parts_table, evidence_table):
        assert max(len(line) for line in table_lines(table(report), 80)) <= 80
    single = report_of(trace, capsys=capsys)
    assert not any("left out" in line for line in table_lines(outcome_table(single), 80))


def test_moves_of_a_re_plan(trace, capsys):
    assert main(["replay", str(trace), *TOPOLOGY, *FAST, "--interval", "2"]) == 0
    shown = capsys.readouterr().out
    report = report_of(trace, "--interval", "2", capsys=capsys)
    rows = {row["policy"]: row for row in report["outcomes"] if row["shown"]}
    for name, row in rows.items():
        if name == "own":
            assert row["moves_mean"] is row["moves_share"] is row["renamed_moves_mean"] is None
            continue
        assert row["moves_share"] == pytest.approx(row["moves_mean"] / 12)
        assert row["renamed_moves_mean"] <= row["moves_mean"]
        figures = f"{row['moves_mean']:.1f} {row['moves_share']:.0%} {row['renamed_moves_mean']:.1f}"
        assert any(line.split()[0] == name and figures in " ".join(line.split()) for line in shown.splitlines() if line)
    assert rows["refined"]["moves_mean"] < rows["greedy"]["moves_mean"]
    once = report_of(trace, "--train", "code", "--test", "math", capsys=capsys)
    assert moves_table(once) == []


def test_labels_windows_and_numbers(trace, capsys):
    report = report_of(
        trace, "--train", "code", "--test", "math", "--window", "2", "--replicas", "12,16", capsys=capsys
    )
    assert report["served"] == [3, 4, 5]
    assert {row["replicas"] for row in report["outcomes"]} == {12, 16}
    assert {row["interval"] for row in report["outcomes"]} == {None}


def test_a_policy_of_the_current_folder(trace, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_replayed_policy.py").write_text(
        "import numpy as np\n"
        "def place(weight, replicas, groups, nodes, ranks):\n"
        "    return np.tile(np.arange(replicas) % weight.shape[1], (len(weight), 1))\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["replay", str(trace), *TOPOLOGY, "--policies", "my_replayed_policy:place,contiguous"]) == 0
    assert "my_replayed_policy:place" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--history", "12"], "--history 12: the trace has 12 windows"),
        (["--interval", "10"], "--interval 10: 9 windows are served"),
        (["--window", "13"], "--window 13: the trace has 12 windows"),
        (["--train", "code"], "--train code goes with --test"),
        (["--train", "code", "--test", "code"], "window 0 would be judged on the plan"),
        (["--train", "cod", "--test", "math"], "--train 'cod': no window has this label; there are code, math"),
        (["--policies", "gredy"], "--policies 'gredy': choose from contiguous"),
        (["--replicas", "13"], "--replicas 13 is not a multiple of --ranks 4"),
        (["--ranks", "0"], "--ranks 0: give a positive integer"),
        (["--tokens-per-step", str(2**33)], "at most 4294967296 routed tokens a step"),
    ],
)
def test_bad_input_is_one_line(options, message, trace, capsys):
    assert main(["replay", str(trace), *TOPOLOGY, "--policies", "greedy", *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_options_without_effect_are_named(trace, capsys):
    report = report_of(trace, "--groups", "4", capsys=capsys)
    assert report["notes"] == [
        "--groups 4 has no effect: one node (--nodes 1, the default) holds every group; the mode is global"
    ]


def test_an_output_is_never_the_trace(trace, capsys):
    assert main(["replay", str(trace), *TOPOLOGY, "--json", str(trace)]) == 2
    assert "which it would replace" in capsys.readouterr().err


@pytest.mark.parametrize("across", ["sum", "mean"])
def test_gap_says_what_sampling_adds(across, trace, tmp_path, capsys):
    out = tmp_path / "gap.json"
    options = ["--methods", "greedy,refined", "--across", across, "--tokens-per-step", "64", "--top-k", "2"]
    assert main(["gap", str(trace), *TOPOLOGY, *options, "--json", str(out)]) == 0
    assert "each routed to 2 experts, taken as independent" in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert (report["tokens_per_step"], report["top_k"]) == (64, 2)
    for row in report["methods"]:
        sampling = row["sampling"]
        assert tuple(sampling) == GAP_SAMPLING.names()
        assert 0 < sampling["sampling_lower"] < sampling["sampling"] < sampling["sampling_upper"]
        assert sampling["windows"] == (1 if across == "sum" else 8)


def test_gap_knows_sampling_for_means_only(trace, capsys):
    options = ["--across", "max", "--tokens-per-step", "64"]
    assert main(["gap", str(trace), *TOPOLOGY, *options]) == 2
    assert "--tokens-per-step with --across max: give --across sum or mean" in capsys.readouterr().err


def interrupted_at(number, monkeypatch):
    """An interrupt when that many policies have played."""
    play = play_module._outcomes
    calls = []

    def outcomes(one, game):
        calls.append(one)
        if len(calls) > number:
            raise KeyboardInterrupt
        return play(one, game)

    monkeypatch.setattr(play_module, "_outcomes", outcomes)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_interrupt_keeps_what_has_played(number, trace, tmp_path, capsys, monkeypatch):
    whole = report_of(trace, capsys=capsys)
    interrupted_at(number, monkeypatch)
    out = tmp_path / "replay.json"
    assert main(["replay", str(trace), *TOPOLOGY, *FAST, "--json", str(out)]) == 130
    streams = capsys.readouterr()
    assert "recommendation" in streams.out
    assert "interrupted" in streams.err
    report = json.loads(out.read_text())
    assert report["interrupted"]
    assert not whole["interrupted"]
    played = list(dict.fromkeys(row["policy"] for row in report["outcomes"]))
    assert played == ["contiguous", "greedy", "refined", "refined-windows", "own"][:number]
    imbalance = {(row["policy"], row["interval"]): row["imbalance_mean"] for row in whole["outcomes"]}
    for row in report["outcomes"]:
        assert row["imbalance_mean"] == imbalance[row["policy"], row["interval"]]


def test_an_interrupt_before_anything_has_played_writes_nothing(trace, tmp_path, capsys, monkeypatch):
    interrupted_at(0, monkeypatch)
    out = tmp_path / "replay.json"
    assert main(["replay", str(trace), *TOPOLOGY, *FAST, "--json", str(out)]) == 130
    assert not out.exists()
    assert capsys.readouterr().out == ""


def test_the_advice_is_compared_with_no_eplb(trace, capsys):
    report = report_of(trace, capsys=capsys)
    assert main(["replay", str(trace), *TOPOLOGY, *FAST]) == 0
    shown = capsys.readouterr().out
    rows = [row for row in report["advice"]["comparisons"] if row["policy"] == "contiguous"]
    saved = 1 - report["advice"]["imbalance"] / rows[0]["imbalance"]
    assert f"saves at most {saved:.1%} of a step's time against contiguous, which is no EPLB" in shown

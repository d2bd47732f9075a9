"""inspect and --dry-run: what was read is said, with what is odd about it, before any long work."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt.claims.reading import read_section
from eplb_opt.cli import main
from eplb_opt.formats import Loads
from eplb_opt.report.inspection import guessed_axes, inspection
from eplb_opt.report.inspection_schema import EMPTY_ROW, HOT, INSPECT, WINDOW

from .common import on_a_terminal


def always(_):
    return True


@pytest.fixture
def load():
    """Tokens [windows, layers, experts]: every layer routes as many; window 3 is of another kind."""
    random = np.random.default_rng(0)
    chances = random.dirichlet(np.ones(16), size=6)
    other = random.dirichlet(np.ones(16), size=6)
    rows = [[random.multinomial(40_000, row) for row in (other if window == 3 else chances)] for window in range(8)]
    return np.array(rows)


@pytest.fixture
def folder(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = ["day"] * 3 + ["night"] + ["day"] * 4
    np.savez("loads.npz", load=load, layer_ids=range(3, 9), window=labels)
    return tmp_path


def found_in(arguments, capsys):
    assert main(["inspect", *arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_is_what_the_page_says(folder, capsys):
    found = found_in(["loads.npz", "--replicas", "24", "--ranks", "4"], capsys)
    assert tuple(found) == INSPECT.names()
    read_section(found, INSPECT, "inspect", always)
    parts = [("hottest", HOT), ("window_rows", WINDOW), ("first_empty_rows", EMPTY_ROW)]
    for key, section in parts:
        for row in found[key]:
            assert tuple(row) == section.names()
            read_section(row, section, key, always)
    assert (found["layers"], found["experts"], found["windows"]) == (6, 16, 8)
    assert found["layer_ids"] == list(range(3, 9))
    assert found["tokens"] == 8 * 6 * 40_000
    assert found["mode"] == "global"


def test_the_window_of_another_kind_and_no_other_differs_much(folder, capsys):
    rows = found_in(["loads.npz"], capsys)["window_rows"]
    assert [row["differs"] for row in rows] == [False] * 3 + [True] + [False] * 4
    assert [row["label"] for row in rows][3] == "night"


def test_what_few_tokens_alone_make_is_no_difference():
    random = np.random.default_rng(1)
    load = random.multinomial(20, np.full(64, 1 / 64), size=(40, 4))
    rows = inspection(Loads(load, None, tuple(map(str, range(40)))), "x")["window_rows"]
    assert min(row["difference"] for row in rows) > 0.2
    assert not any(row["differs"] for row in rows)


def test_the_hottest_and_the_idle_experts(tmp_path, capsys):
    load = np.full((2, 2, 4), 10)
    load[:, 1, 2] = 50
    load[:, 1, 3] = 0
    load[1, 0] = 0
    np.save(tmp_path / "x.npy", load)
    found = found_in([str(tmp_path / "x.npy"), "--layers", "5,9"], capsys)
    hot = found["hottest"][0]
    assert (hot["layer_id"], hot["expert"], hot["tokens"]) == (9, 2, 100)
    assert hot["share"] == pytest.approx(100 / 140)
    assert hot["times_mean"] == pytest.approx(100 / 35)
    assert (found["skew_max_layer"], found["skew_max"]) == (9, pytest.approx(100 / 35))
    assert found["skew_mean"] == pytest.approx((1 + 100 / 35) / 2)
    assert found["idle_experts"] == 1
    assert found["empty_rows"] == 1
    assert found["first_empty_rows"] == [{"window": 1, "layer_id": 5}]


def test_axes(load):
    assert guessed_axes(load) is None
    assert guessed_axes(load[:1]) is None
    assert "[experts, layers]" in guessed_axes(load.transpose(0, 2, 1))
    scaled = load * np.arange(1, 9)[:, None, None]
    assert "[layers, windows, experts]" in guessed_axes(scaled.transpose(1, 0, 2))
    assert guessed_axes(np.ones((2, 3, 4))) is None
    assert guessed_axes(np.full((2, 3, 4), np.inf)) is None


def test_every_command_warns_of_a_transposed_table(load, tmp_path, capsys):
    path = tmp_path / "t.npy"
    np.save(path, load[0].T)
    topology = ["--replicas", "8", "--ranks", "2"]
    for command in (["solve", "--method", "greedy"], ["gap", "--methods", "greedy"]):
        assert main([command[0], str(path), *topology, *command[1:]]) == 0
        assert f"warning: {path}: the table seems to be [experts, layers]" in capsys.readouterr().err
    assert main(["inspect", str(path)]) == 0
    assert "the table seems to be" in capsys.readouterr().out


def test_without_eplb(folder, load, capsys):
    found = found_in(["loads.npz", "--replicas", "16", "--ranks", "4"], capsys)
    ranks = load.sum(axis=0).reshape(6, 4, 4).sum(axis=2)
    assert found["contiguous"] == pytest.approx((ranks.max(axis=1) / ranks.mean(axis=1)).mean())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["map.npz"], "map.npz is a map, not recorded loads"),
        (["missing.npz"], "cannot read missing.npz"),
        (["loads.npz", "--replicas", "16"], "--replicas needs --ranks"),
        (["loads.npz", "--replicas", "16", "--ranks", "5"], "--replicas 16 is not a multiple of --ranks 5"),
        (["loads.npz", "--windows", "nigth"], "or all: did you mean night?"),
        (["nan.npy"], "negative or not finite"),
        (["loads.npz", "--json", "loads.npz"], "which it would replace"),
    ],
)
def test_bad_input(arguments, message, folder, capsys):
    np.savez("map.npz", physical_to_logical_map=[[0, 1]], num_experts=2)
    np.save("nan.npy", np.array([[1.0, np.nan]]))
    assert main(["inspect", *arguments]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert message in streams.err


@pytest.mark.parametrize("columns", [60, 80])
def test_a_terminal_gets_whole_lines(columns, folder):
    shown = on_a_terminal(["inspect", "loads.npz", "--replicas", "16", "--ranks", "4"], folder, columns)
    assert max(map(len, shown.splitlines())) <= columns
    assert "1,920,000 routed" in shown
    assert "..." not in shown.replace("..8", "")


def test_many_windows_are_shortened_and_their_number_is_said(folder, capsys, load):
    np.save("many.npy", np.tile(load, (3, 1, 1)))
    assert main(["inspect", "many.npy"]) == 0
    short = capsys.readouterr().out
    assert "3 of 24 windows differ much; 16 that differ least are left out (--all-windows)" in short
    assert main(["inspect", "many.npy", "--all-windows"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(short.splitlines()) + 15


PLANS = {
    "solve": (["--replicas", "24", "--ranks", "4", "-o", "map.npz"], "would write map.npz"),
    "gap": (["--replicas", "24", "--ranks", "4", "--methods", "greedy,milp"], "would solve with greedy, milp"),
    "replay": (["--replicas", "24,32", "--ranks", "4"], "with 24 and 32 replicas"),
}


@pytest.mark.parametrize("command", PLANS)
def test_a_dry_run_says_what_was_read_and_does_nothing(command, folder, monkeypatch, capsys):
    def never(*_, **__):
        raise AssertionError

    for name in ("solver.solve", "replayer.play.replay", "foresight.left_out.left_out"):
        monkeypatch.setattr(f"eplb_opt.{name}", never)
    options, said = PLANS[command]
    assert main([command, "loads.npz", *options, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "6 layers x 16 experts, 8 windows (day, night)" in shown
    assert "global mode" in shown
    assert said in shown
    assert shown.endswith("dry run: nothing was solved\n")
    assert [path.name for path in folder.iterdir()] == ["loads.npz"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solve", "--replicas", "15", "--ranks", "4"], "use at least 16"),
        (["solve", "--replicas", "16", "--ranks", "4", "-o", "map.txt"], "no map format"),
        (["solve", "--replicas", "16", "--ranks", "4", "--previous", "no.npz"], "cannot read no.npz"),
        (["gap", "--replicas", "16", "--ranks", "4", "--map", "no.npz"], "cannot read no.npz"),
        (["gap", "--replicas", "16", "--ranks", "4", "--methods", "gredy"], "did you mean greedy?"),
        (["replay", "--replicas", "16", "--ranks", "4", "--policies", "gredy"], "did you mean greedy?"),
        (["replay", "--replicas", "16", "--ranks", "4", "--history", "8"], "--history 8: the trace has 8 windows"),
    ],
)
def test_a_dry_run_finds_what_is_wrong(arguments, message, folder, capsys):
    assert main([arguments[0], "loads.npz", *arguments[1:], "--dry-run"]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert message in streams.err


def test_a_dry_run_may_write_what_inspect_does(folder, capsys):
    assert main(["solve", "loads.npz", "--replicas", "16", "--ranks", "4", "--dry-run", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == found_in(["loads.npz", "--replicas", "16", "--ranks", "4"], capsys)

"""--quiet, --verbose, colour on terminals only, and progress."""

from __future__ import annotations

import json
import math
import os
import re

import pytest

from eplb_opt import Instance, Limits, solve
from eplb_opt.cli import main
from eplb_opt.commands.colour import is_coloured
from eplb_opt.commands.loudness import Loudness, as_loud_as
from eplb_opt.commands.progress import Progress, _parts, shown_progress, within_terminal
from eplb_opt.standing import Standing, Watcher

from ..conftest import TWO_LAYERS
from .common import TOPOLOGY, on_a_terminal, write_loads

SOLVE = ["solve", "loads.npz", *TOPOLOGY, "--groups", "4", "--method", "greedy"]
ESCAPE = "\033["


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_loads(tmp_path)
    return tmp_path


def test_quiet_says_nothing_and_writes_everything(folder, capsys):
    assert main([*SOLVE, "-q", "-o", "map.npz", "--json", "report.json"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (folder / "map.npz").exists()
    assert json.loads((folder / "report.json").read_text())["notes"]
    assert main([*SOLVE, "--quiet", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "greedy"
    assert main([*SOLVE, "-q", "--windows", "7"]) == 2
    assert "no window '7'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (["--level", "0.5"], "--level 0.5 has no effect: it is of --across cvar"),
        (["--across", "max"], "--across max has no effect on one window"),
        (["--format", "sglang"], "--format sglang has no effect: without -o no map is written"),
        (["--across", "sum"], ""),
        (["--format", "npz", "-o", "map.npz"], ""),
    ],
)
def test_options_without_effect_are_said(options, note, folder, capsys):
    solve_once = ["solve", "loads.npz", *TOPOLOGY, "--method", "greedy"]
    assert main([*solve_once, *options, "--json", "report.json"]) == 0
    said = capsys.readouterr().err
    assert note in said
    assert said.count("\n") == bool(note)
    assert len(json.loads((folder / "report.json").read_text())["notes"]) == bool(note)


def test_top_k_without_a_step(folder, capsys):
    assert main(["gap", "loads.npz", *TOPOLOGY, "--methods", "greedy", "--top-k", "8"]) == 0
    assert "--top-k 8 has no effect: it is of --tokens-per-step" in capsys.readouterr().err


def test_verbose_says_what_is_done(folder, capsys):
    assert main([*SOLVE, "-v", "--json", "report.json"]) == 0
    said = capsys.readouterr().err
    assert "note: read loads.npz: 1 windows, 2 layers, 12 experts" in said
    assert "note: greedy: " in said
    assert " of 2 layers OPTIMAL, largest gap " in said
    assert "note: wrote report.json" in said


def test_the_later_of_two_counts(folder, capsys):
    assert main([*SOLVE, "-q", "-v"]) == 0
    assert "OPTIMAL" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environ", "is_plain"),
    [({"TERM": "xterm"}, False), ({"TERM": "dumb"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, True)],
)
def test_colour_is_for_terminals(environ, is_plain, folder):
    environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | environ
    shown = on_a_terminal(SOLVE, folder, 80, environ)
    assert (ESCAPE not in re.sub(r"\r\S*\033\[K", "", shown)) == is_plain
    assert "OPTIMAL" in shown


def test_a_pipe_has_no_colour(folder, capsys):
    assert main(SOLVE) == 0
    streams = capsys.readouterr()
    assert ESCAPE not in streams.out + streams.err


class Terminal:
    def isatty(self):
        return True


def test_an_empty_no_color_is_none(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")
    assert is_coloured(Terminal())
    assert not is_coloured(None)


@pytest.mark.parametrize(("loudness", "lines"), [(Loudness.QUIET, 0), (Loudness.USUAL, 0), (Loudness.VERBOSE, 1)])
def test_progress_off_a_terminal_is_for_those_who_ask(loudness, lines, capsys):
    with as_loud_as(loudness):
        progress = Progress("optimal", "layers optimal")
        progress.last -= 6  # seconds
        progress(3, 58)
        progress(4, 58)  # a moment later
        progress.clear()
    assert capsys.readouterr().err == "optimal: 0 s, 3 of 58 layers optimal\n" * lines


def test_replay_says_who_plays(capsys):
    with as_loud_as(Loudness.VERBOSE):
        progress = Progress("replay", "policies have played")
        for tell in (lambda: progress.plays("greedy"), lambda: progress(1, 2), lambda: progress.plays("own")):
            progress.last -= 6  # seconds
            tell()
    assert capsys.readouterr().err.splitlines() == [
        "replay: 0 s, greedy plays",
        "replay: 0 s, 1 of 2 policies have played",
        "replay: 0 s, own plays, 1 of 2 policies have played",
    ]


def test_a_live_line_never_wraps_and_is_cleared(monkeypatch, capsys):
    monkeypatch.setattr("eplb_opt.commands.progress.is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", "40")
    progress = Progress("optimal", "layers optimal")
    progress.last -= 1
    progress.show("3 of 58 layers, gap at most 1.2 %, at work on layers 4 and 5")
    progress.clear()
    assert capsys.readouterr().err == "\roptimal: 0 s, 3 of 58 layers\033[K\r\033[K"


def test_the_gap_so_far_and_what_is_being_proven(capsys):
    with as_loud_as(Loudness.VERBOSE):
        progress = Progress("optimal", "layers optimal")
        for standing in (Standing(1, 6, 0.001, 0.0123, (5, 8)), Standing(0, 6, math.inf, math.inf, (1, 2, 3, 4))):
            progress.last -= 6
            progress.watch(standing)
        progress.last -= 6
        progress(2, 6)  # less is known: nothing is said
    assert capsys.readouterr().err.splitlines() == [
        "optimal: 0 s, 1 of 6 layers optimal, gap at most 1.2300%, mean 0.1000%, proving layers 5, 8",
        "optimal: 0 s, 0 of 6 layers optimal, proving layers 1, 2, 3 and 1 more",
    ]


def test_solve_tells_a_watcher_where_its_layers_stand():
    class Watching:
        def __init__(self):
            self.standings = []
            self.calls = []

        def __call__(self, finished, layers):
            self.calls.append((finished, layers))

        def watch(self, standing):
            self.standings.append(standing)

    watching = Watching()
    instance = Instance(TWO_LAYERS, 16, num_ranks=8, layer_ids=[5, 8])
    result = solve(instance, "optimal", Limits(seconds=None, work=0.2, gap=0.0), progress=watching)
    assert isinstance(watching, Watcher)
    assert {number for standing in watching.standings for number in standing.at_work} <= {5, 8}
    last = watching.standings[-1]
    assert (last.finished, last.layers) == watching.calls[-1]
    assert last.gap_max >= max(result.gap) - 1e-12
    assert last.gap_mean <= last.gap_max


def test_the_time_goes_on_while_a_task_takes_long(folder, monkeypatch):
    monkeypatch.setattr("eplb_opt.commands.progress.TICK_SECONDS", 0.01)
    monkeypatch.setattr("eplb_opt.commands.progress.is_terminal", lambda stream: True)
    said = []
    monkeypatch.setattr("eplb_opt.commands.progress._print", said.append)
    with shown_progress("optimal", "layers optimal") as progress:
        while len(said) < 2:
            progress.lock.acquire()
            progress.lock.release()
    assert said[0].startswith("\roptimal: 0 s, at work")
    assert said[-1] == "\r\033[K"


def test_the_gap_so_far_is_there_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    line = ", ".join(["optimal: 12 s", *_parts(Standing(1, 6, 0.001, 0.0123, (5, 8)), "layers optimal")])
    assert within_terminal(line).endswith("1 of 6 layers optimal, gap at most 1.2300%")

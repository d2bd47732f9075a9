"""Tables of many layers on a terminal: the worst and the open ones, and a line that says what the others are."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

from eplb_opt.report.shortened import moved_layers, other_layers_line, other_moves_line, worst_layers

from ..commands.common import COMMAND, on_a_terminal

LAYERS = 94


def layer(number, imbalance=1.0001, gap=0.0001, status="OPTIMAL"):
    return {"layer_id": number, "imbalance": imbalance, "gap": gap, "status": status}


@pytest.fixture
def layers():
    rows = [layer(number) for number in range(LAYERS)]
    rows[40] = layer(40, gap=0.002, status="FEASIBLE")
    rows[41] = layer(41, gap=None, status="FEASIBLE")
    rows[7] = layer(7, imbalance=1.5)
    rows[60] = layer(60, gap=0.0009)
    return rows


def test_the_open_and_the_worst_are_shown(layers):
    shown = worst_layers(layers)
    assert {40, 41, 7, 60} <= set(shown)
    assert shown == sorted(shown)
    assert len(shown) <= 12
    line = other_layers_line(layers, shown)
    assert line.startswith(f"{LAYERS - len(shown)} more layers: all OPTIMAL, imbalance at most 1.00010, gap at most")
    assert "gap at most 0.0100 %" in line


def test_open_ones_that_are_not_shown_are_counted():
    rows = [layer(number, gap=0.01, status="FEASIBLE") for number in range(30)]
    shown = worst_layers(rows)
    assert f"{30 - len(shown)} open" in other_layers_line(rows, shown)
    rows[29]["gap"] = None
    assert "gap unknown" in other_layers_line(rows, range(20))


def test_few_layers_are_all_shown(layers):
    assert worst_layers(layers[:20]) == list(range(20))
    moved = [{"layer_id": i, "moved": i, "imbalance_after": None} for i in range(20)]
    assert moved_layers(moved) == list(range(20))


def test_layers_in_which_most_moves():
    rows = [{"layer_id": i, "moved": i % 7, "imbalance_after": 1 + (i == 1)} for i in range(30)]
    shown = moved_layers(rows)
    assert {6, 13, 20, 27, 1} <= set(shown)
    assert other_moves_line(rows, shown) == f"{30 - len(shown)} more layers: at most 4 moved (--all-layers shows them)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("wide")
    load = np.random.default_rng(0).lognormal(size=(LAYERS, 16))
    np.savez(path / "loads.npz", load=np.rint(load * 1000))
    return path


SOLVE = ["solve", "loads.npz", "--replicas", "24", "--ranks", "8", "--method", "greedy"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_94_layers_on_a_terminal(columns, folder, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    lines = on_a_terminal(SOLVE, folder, columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) < 45
    rows = [line for line in lines if re.match(r" +\d+ +\d\.\d{5} ", line)]
    assert 8 <= len(rows) <= 12
    assert f"{LAYERS - len(rows)} more layers: " in " ".join(lines)
    assert not any(mark in "\n".join(lines) for mark in ("...", "\N{HORIZONTAL ELLIPSIS}"))
    whole = on_a_terminal([*SOLVE, "--all-layers"], folder, columns).splitlines()
    assert sum(bool(re.match(r" +\d+ +\d\.\d{5} ", line)) for line in whole) == LAYERS
    assert set(rows) <= set(whole)


def test_a_pipe_gets_them_all(folder):
    run = subprocess.run([*COMMAND, *SOLVE], cwd=folder, capture_output=True, text=True, check=True)
    assert sum(bool(re.match(r" +\d+ +\d\.\d{5} ", line)) for line in run.stdout.splitlines()) == LAYERS

"""Every command on a terminal of 60 columns: no line is longer, no number is cut, nothing is coloured without need."""

from __future__ import annotations

import os

import numpy as np
import pytest

from eplb_opt.cli import main
from eplb_opt.commands.progress import TO_END

from .common import on_a_terminal

TOPOLOGY = ["--replicas", "12", "--ranks", "4"]
SWEPT = ["--method", "greedy", "--cost", "h100-deepseek-v3", "--bytes-per-expert", "44MiB"]
COMMANDS = {
    "inspect": ["inspect", "trace.npz", *TOPOLOGY],
    "solve": ["solve", "trace.npz", *TOPOLOGY, "--windows", "0", "--method", "greedy"],
    "dry run": ["solve", "trace.npz", *TOPOLOGY, "--dry-run"],
    "gap": ["gap", "trace.npz", *TOPOLOGY, "--windows", "0", "--methods", "greedy", "--map", "map.npz"],
    "replay": ["replay", "trace.npz", *TOPOLOGY, "--policies", "contiguous,greedy,refined"],
    "diff": ["diff", "map.npz", "other.npz", "--loads", "trace.npz", "--windows", "0"],
    "verify": ["verify", "map.npz", "report.json", "trace.npz"],
    "convert": ["convert", "map.npz", "map.json"],
    "report": ["report", "trace.npz", *TOPOLOGY, "--windows", "0", "--method", "greedy", "-o", "page.html"],
    "sweep": ["sweep", "trace.npz", "--replicas", "8:17:8", "--ranks", "4", "--tokens-per-step", "16,4096", *SWEPT],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("terminal")
    load = np.random.default_rng(0).integers(1, 100_000, (12, 30, 8))
    np.savez(path / "trace.npz", load=load, layer_ids=range(3, 33), window=["code"] * 6 + ["math"] * 6)
    before = os.getcwd()
    os.chdir(path)
    try:
        for window, name in (("0", "map"), ("1", "other")):
            solve = ["solve", "trace.npz", *TOPOLOGY, "--windows", window, "--method", "greedy", "-q"]
            assert main([*solve, "-o", f"{name}.npz", "--json", "report.json" if window == "0" else "-"]) == 0
    finally:
        os.chdir(before)
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_60_columns(name, folder):
    environ = dict(os.environ) | {"NO_COLOR": "1"}
    raw = on_a_terminal(COMMANDS[name], folder, 60, environ)
    lines = raw.replace(TO_END, "").splitlines()
    assert lines
    assert max(map(len, lines)) <= 60
    assert not any(mark in "\n".join(lines) for mark in ("\033[3", "\N{HORIZONTAL ELLIPSIS}"))

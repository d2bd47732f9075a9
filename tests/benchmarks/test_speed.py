"""The speed run: lines complete and resumable, and no solver loaded. Times are measured, never asserted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import speed


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(*arguments):
        output = tmp_path / "speed.jsonl"
        monkeypatch.setattr(sys, "argv", ["speed", "--output", str(output), *arguments])
        speed.main()
        return [json.loads(line) for line in output.read_text().splitlines()], capsys.readouterr().out

    return run


QUICK = ["--cases", "random-16-24-8", "--threads", "1", "--repeats", "3", "--peers", "none"]


def test_lines_say_everything(run):
    lines, shown = run(*QUICK, "--policy", "eplb_opt.policies:GreedyPolicy")
    assert {"greedy", "eplb_opt.policies:GreedyPolicy"} <= {line["method"] for line in lines}
    for line in lines:
        assert {"commit", "date", "cpu", "cores", "versions", "seed", "instance", "threads", "device"} <= set(line)
        assert line["ms_least"] <= line["ms_p10"] <= line["ms"] <= line["ms_p90"]
        assert line["rounds"] == 3
        assert line["imbalance_mean"] <= line["imbalance_max"]
        assert line["method"] in shown


def test_a_second_run_is_resumed(run):
    first, _ = run(*QUICK)
    again, shown = run(*QUICK)
    assert again == first
    assert "already there" in shown
    other, _ = run(*QUICK[:-3], "4", "--peers", "none")
    assert other[0]["rounds"] == 4


def test_exact_methods_and_unknown_names_are_refused(run):
    for arguments in (["--methods", "optimal"], ["--peers", "magic"], ["--cases", "magic"]):
        with pytest.raises(SystemExit):
            run(*QUICK, *arguments)


PROGRAM = """
import sys
for name in ("ortools", "pulp", "highspy", "numba", "loky", "rich", "scipy", "matplotlib"):
    sys.modules[name] = None  # importing it fails
sys.argv = ["speed", "--cases", "random-16-24-8", "--threads", "1", "--repeats", "1", "--peers", "none",
            "--methods", "greedy", "--output", sys.argv[1]]
from benchmarks.speed import main
main()
"""


def test_it_runs_with_numpy_and_torch_only(tmp_path):
    output = tmp_path / "speed.jsonl"
    subprocess.run([sys.executable, "-c", PROGRAM, str(output)], check=True, capture_output=True)
    assert json.loads(output.read_text())["ms"] > 0

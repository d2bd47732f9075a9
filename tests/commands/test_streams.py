"""Whatever becomes of standard output: files are whole, exit codes mean what they mean, and there is no traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import numpy as np
import pytest

from eplb_opt.cli import main
from eplb_opt.commands.streams import Stream, standard_streams

from .common import COMMAND, TOPOLOGY, shell, write_loads

SOLVE = f"$EPLB solve loads.npz {' '.join(TOPOLOGY)} --method greedy -o map.npz --json report.json"
GAP = f"$EPLB gap loads.npz {' '.join(TOPOLOGY)} --methods greedy --json report.json"
FULL = "standard output is lost: No space left on device"
CLOSED = "standard output is lost: it is closed"


@pytest.fixture
def folder(tmp_path):
    write_loads(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        ("| head -1", 0, ""),
        ("| true", 0, ""),
        ("> /dev/full", 2, FULL),
        (">&-", 2, CLOSED),
        ("2>&-", 0, ""),
        ("2> /dev/full", 0, ""),
        (">&- 2>&-", 2, ""),
        ("> /dev/full 2> /dev/full", 2, ""),
        ("<&- >&- 2>&-", 2, ""),
    ],
)
def test_files_are_whole(where, code, said, folder):
    result = shell(f"{SOLVE} {where}", folder)
    assert result.returncode == code
    assert said in result.stderr
    assert result.stderr.count("\n") == bool(said)
    assert json.loads((folder / "report.json").read_text())
    with np.load(folder / "map.npz") as archive:
        assert archive["physical_to_logical_map"].shape == (2, 16)


CONVERT = "$EPLB convert loads.npz report.json"


@pytest.mark.parametrize("command", [GAP, CONVERT, "$EPLB demo --time-limit 1 --json report.json"])
def test_so_are_those_of_other_commands(command, folder):
    for where, code in (("| true", 0), ("> /dev/full", 2)):
        assert shell(f"{command} {where}", folder).returncode == code
        assert json.loads((folder / "report.json").read_text())
        (folder / "report.json").unlink()


@pytest.mark.parametrize("where", ["| true", "> /dev/full", ">&-", ">&- 2>&-"])
def test_verifys_verdict_survives_its_printing(where, folder):
    assert shell(SOLVE, folder).returncode == 0
    report = json.loads((folder / "report.json").read_text())
    report["layers"][0]["objective"] *= 0.9
    (folder / "forged.json").write_text(json.dumps(report))
    result = shell(f"$EPLB verify map.npz forged.json loads.npz {where}", folder)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", ["--version", "--help", "solve --help"])
@pytest.mark.parametrize(("where", "code"), [("| true", 0), ("> /dev/full", 2), (">&-", 2), ("2>&-", 0)])
def test_help_and_version(options, where, code, folder):
    result = shell(f"$EPLB {options} {where}", folder)
    assert result.returncode == code
    assert result.stderr.count("\n") == (code == 2)


def test_bad_usage_without_any_output(folder):
    assert shell("$EPLB solve >&- 2>&-", folder).returncode == 2
    assert shell("$EPLB solve missing.npz --replicas 1 --ranks 1 2> /dev/full", folder).returncode == 2


def test_no_file_takes_the_number_of_a_closed_output(folder):
    """What is printed, by workers too, must not land in a file that was opened meanwhile."""
    result = shell(f"$EPLB solve loads.npz {' '.join(TOPOLOGY)} --time-limit 5 -o map.json >&- 2>&-", folder)
    assert result.returncode == 2
    assert len(json.loads((folder / "map.json").read_text())["physical_to_logical_map"]) == 2


def test_a_terminal_of_ascii_gets_escapes(folder):
    (folder / "loads.npz").rename(folder / "lädt.npz")
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for command in (SOLVE, f"{GAP} --map map.npz"):
        line = command.replace("loads.npz", "lädt.npz").replace("-o map.npz", "-o kärtchen.npz")
        result = shell(line.replace("--map map.npz", "--map kärtchen.npz"), folder, env=environ)
        assert result.returncode == 0, result.stderr
        assert r"k\xe4rtchen.npz" in result.stdout
    result = shell(f"$EPLB solve fehlt_ä.npz {' '.join(TOPOLOGY)}", folder, env=environ)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert r"fehlt_\xe4" in result.stderr


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_terminal_gets_whole_numbers(columns, folder):
    leader, follower = pty.openpty()
    arguments = ["gap", "loads.npz", *TOPOLOGY, "--methods", "greedy,refined", "--json", "gap.json"]
    environ = os.environ | {"COLUMNS": str(columns)}
    with subprocess.Popen([*COMMAND, *arguments], stdout=follower, stderr=follower, cwd=folder, env=environ) as run:
        os.close(follower)
        shown = b""
        while run.poll() is None or not shown:
            try:
                shown += os.read(leader, 1 << 16)
            except OSError:  # the other end is closed
                break
    os.close(leader)
    lines = shown.decode().splitlines()
    assert run.returncode == 0
    assert max(map(len, lines)) <= columns
    for row in json.loads((folder / "gap.json").read_text())["methods"]:
        assert f" {row['imbalance_mean']:.5f} " in shown.decode()
        assert f" {row['gap_mean'] * 100:.4f}" in shown.decode()
    assert "..." not in shown.decode()
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown.decode()


def test_a_fault_of_ours_is_one_line_and_no_verdict(folder, monkeypatch, capsys):
    def fails(*_, **__):
        raise TypeError("an object of\nno type")

    monkeypatch.setattr("eplb_opt.formats.read_loads", fails)
    assert main(["solve", str(folder / "loads.npz"), *TOPOLOGY, "--method", "greedy"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "internal error, please report it: TypeError: an object of no type (test_streams.py:" in said


def test_a_stream_that_fails_is_asked_once():
    class Broken:
        encoding = "utf-8"
        asked = 0

        def write(self, text):
            self.asked += 1
            raise OSError(5, "broken")

        def flush(self):
            self.asked += 1

    inner = Broken()
    stream = Stream(inner)
    assert stream.write("a") == 1
    stream.write("b")
    stream.flush()
    assert stream.is_lost()
    assert inner.asked == 1


def test_streams_are_put_back(capsys):
    import sys

    before = (sys.stdout, sys.stderr)
    with standard_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before

"""The examples that `--help` ends with run."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from eplb_opt import demo_recording
from eplb_opt.cli import command_parser, main
from eplb_opt.commands.parser import commands_of

from .inputs import MY_POLICY, demo_windows, write_dump, write_in_use, write_loads, write_sglang, write_shard
from .pages import shown, words
from .test_commands import NEEDS_A_GPU, shortened

PARSERS = commands_of(command_parser())
NOT_PROVEN = 4  # of `gap --fail-above`: a verdict
RUN_ELSEWHERE = {"demo", "completion"}  # a recording of its own; lines for the files of a shell
TRAFFIC = {"python": "code", "docs": "chat", "c": "maths"}


def write_files(folder):
    """What the examples take for granted."""
    write_loads(folder / "loads.npz")
    write_dump(folder / "dump.pt")
    write_sglang(folder / "record")
    for number in (1, 2):
        write_shard(f"{number}/2")(folder / f"part{number}.sqlite")
    for name in ("served.npz", "old.npz", "new.npz"):
        write_in_use(folder / name)
    labels = np.array([TRAFFIC.get(kind, kind) for kind in demo_recording("kinds").windows])
    chosen = np.isin(labels, list(TRAFFIC.values()))
    np.savez(folder / "windows.npz", load=demo_windows()[chosen], window=labels[chosen])
    write_reports(folder)
    (folder / "options.toml").write_text("replicas = 288\nranks = 32\n")
    (folder / "my_package").mkdir()
    (folder / "my_package" / "my_module.py").write_text(MY_POLICY)


def write_reports(folder):
    """What `report` and `convert` read."""
    for line in (
        "solve loads.npz --replicas 288 --ranks 32 --method greedy -q -o map.npz --json report.json",
        "replay windows.npz --replicas 72 --ranks 8 --policies greedy --interval 4 -q --json replay.json",
    ):
        assert main([str(folder / word) if "." in word else word for word in line.split()]) == 0


def examples(name):
    text = textwrap.dedent(PARSERS[name].epilog.partition("examples:\n")[2].partition("\n\n")[0])
    return list(shown(text))


@pytest.mark.parametrize("name", sorted(set(PARSERS) - RUN_ELSEWHERE - NEEDS_A_GPU))
def test_the_examples_of_a_command_run(name, tmp_path, monkeypatch, capsys):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert examples(name)
    for lines in examples(name):
        given = words(lines, tmp_path)
        code = main(shortened(given))
        allowed = {0, NOT_PROVEN} if "--fail-above" in given else {0}
        assert code in allowed, (given, capsys.readouterr().err)

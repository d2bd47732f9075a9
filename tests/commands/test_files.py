"""No file that a command writes replaces an input, or another file that it writes."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch

from eplb_opt.cli import main

from ..conftest import TWO_LAYERS
from .common import TOPOLOGY, write_loads


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Loads and a map, and other names for them."""
    monkeypatch.chdir(tmp_path)
    write_loads(tmp_path)
    np.savez("map.npz", physical_to_logical_map=[[*range(12), 0, 1, 2, 3]] * 2)
    os.symlink("loads.npz", "link.npz")
    os.link("loads.npz", "hard.npz")
    os.mkdir("sub")
    os.symlink("..", "sub/up")
    os.symlink("later.json", "dangling.json")
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_happens(folder):
    """No file is changed, and none is added."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    yield
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


SAME = ["loads.npz", "./loads.npz", "link.npz", "hard.npz", "sub/../loads.npz", "sub/up/loads.npz"]


def refused(arguments, capsys):
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    return streams.err


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("option", ["-o", "--json"])
def test_solve_does_not_replace_its_loads(name, option, capsys):
    for source in ("loads.npz", os.path.abspath("link.npz")):
        said = refused(["solve", source, *TOPOLOGY, "--format", "npz", option, name], capsys)
        assert f"{option} {name.removeprefix('./')} is the input" in said


@pytest.mark.parametrize(
    ("first", "second"),
    [("out.json", "out.json"), ("out.json", "sub/../out.json"), ("dangling.json", "later.json"),
     ("map.npz", "sub/up/map.npz")],
)  # fmt: skip
def test_solve_does_not_write_two_files_in_one(first, second, capsys):
    said = refused(["solve", "loads.npz", *TOPOLOGY, "--format", "json", "-o", first, "--json", second], capsys)
    assert "are one file: name two" in said


@pytest.mark.parametrize("name", ["loads.npz", "map.npz", "sub/up/map.npz"])
def test_gap_replaces_neither_loads_nor_maps(name, capsys):
    said = refused(["gap", "loads.npz", *TOPOLOGY, "--map", "map.npz", "--json", name], capsys)
    assert "is the input" in said


@pytest.mark.parametrize("name", SAME)
def test_convert_does_not_replace_its_input(name, capsys):
    assert "is the input" in refused(["convert", "loads.npz", name], capsys)


def test_what_was_recorded_in_a_folder_stays(folder, capsys):
    os.mkdir("record")
    count = torch.zeros(1, 10, 12, dtype=torch.int32)
    count[0, [5, 8]] = torch.tensor(TWO_LAYERS, dtype=torch.int32)
    torch.save({"rank": 0, "logical_count": count, "average_utilization_rate_over_window": None}, "record/dump.pt")
    recorded = (folder / "record" / "dump.pt").read_bytes()
    for name in ("record/dump.pt", "sub/up/record/dump.pt"):
        said = refused(["solve", "record", *TOPOLOGY, "--format", "sglang", "-o", name], capsys)
        assert "in the input folder record" in said
    assert "is the input" in refused(["solve", "record", *TOPOLOGY, "--format", "json", "-o", "record"], capsys)
    assert (folder / "record" / "dump.pt").read_bytes() == recorded
    shutil.rmtree("record")

"""What ``verify`` says to people: of its arguments, of layers, and of what is OPTIMAL."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from eplb_opt.cli import main

from ..conftest import TWO_LAYERS
from .common import TOPOLOGY, write_loads

FILES = {"map.npz": "a map", "report.json": "a report", "loads.npz": "loads"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, capsys):
    """Loads, of layers 5 and 8, their map and its report."""
    monkeypatch.chdir(tmp_path)
    write_loads(tmp_path)
    solve("loads.npz", "-o", "map.npz")
    capsys.readouterr()
    return tmp_path


def solve(loads, *more, sizes=TOPOLOGY):
    assert main(["solve", loads, *sizes, "--time-limit", "60", "--workers", "1", "--json", "report.json", *more]) == 0


def refused(capsys, *arguments):
    """The one line that is said of arguments that cannot be verified."""
    assert main(["verify", *arguments]) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    return streams.err


@pytest.mark.parametrize("order", [order for order in itertools.permutations(FILES) if order != tuple(FILES)])
def test_files_in_another_order_are_named(order, capsys):
    said = refused(capsys, *order)
    given, expected = next((file, right) for file, right in zip(order, FILES, strict=True) if file != right)
    assert f"{given} holds {FILES[given]}, where {FILES[expected]} should be: the order is" in said


@pytest.mark.filterwarnings("ignore:.*looks like a map:eplb_opt.errors.FormatWarning")
def test_a_bare_map_for_the_loads_is_named(folder, capsys):
    with np.load("map.npz") as archive:
        np.save("map.npy", archive["physical_to_logical_map"])
    assert main(["verify", "loads.npz", "report.json", "map.npy"]) == 2
    assert "loads.npz holds loads, where a map should be" in capsys.readouterr().err


def test_a_file_that_is_given_twice_is_said_as_it_is(capsys):
    assert "map.npz is a map, not recorded loads" in refused(capsys, "map.npz", "report.json", "map.npz")


def test_what_is_missing_is_said_as_it_is(capsys):
    assert "no_such.npz" in refused(capsys, "no_such.npz", "report.json", "loads.npz")


def test_layers_that_do_not_match_lead_to_the_option(folder, capsys):
    np.save("bare.npy", np.array(TWO_LAYERS))
    files = ["map.npz", "report.json", "bare.npy"]
    said = refused(capsys, *files)
    assert "no layer 0 among its layers 5..8" in said
    assert "--layers says which layers the loads have" in said
    np.savez("more.npz", load=np.array([[*TWO_LAYERS, TWO_LAYERS[0]]]))
    with np.load("map.npz") as archive:
        np.save("map.npy", archive["physical_to_logical_map"])
    assert "--layers" in refused(capsys, "map.npy", "report.json", "more.npz")
    assert "--layers" in refused(capsys, "map.npy", "report.json", "bare.npy")  # of the report's layers
    assert main(["verify", *files, "--layers", "5,8"]) in (0, 3)


def forged(change):
    path = Path("report.json")
    report = json.loads(path.read_text())
    change(report)
    path.write_text(json.dumps(report))


def verified(capsys, code):
    assert main(["verify", "map.npz", "report.json", "loads.npz"]) == code
    return capsys.readouterr().out


def test_a_layer_with_a_fault_is_not_called_optimal(capsys):
    forged(lambda report: report["layers"][0].update(objective=1.0))
    said = verified(capsys, 1)
    assert "2 layers: 1 with faults" in said
    assert "OPTIMAL: 1 layer, which the report says" in said
    assert "not counted: 1 that it also calls so" in said


def test_a_fault_in_the_totals_concerns_all_layers(capsys):
    forged(lambda report: report["totals"].update(optimal=1))
    said = verified(capsys, 1)
    assert "OPTIMAL: 0 layers, which the report says" in said
    assert "not counted: 2 that it also calls so" in said


def test_one_layer_is_not_said_in_the_plural(folder, capsys):
    np.savez("loads.npz", load=np.array([TWO_LAYERS[:1]]))
    solve("loads.npz", "--method", "greedy", "-o", "map.npz")
    said = capsys.readouterr().out + verified(capsys, 0)
    assert "open in 1 layer (" in said
    assert "1 layer: 0 with faults" in said
    assert "1 bound re-proven" in said
    assert "1 layers" not in said.partition("\n")[2].replace("greedy: 1 layers", "").replace("valid; 1 layers", "")

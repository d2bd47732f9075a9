"""--json -: JSON on standard output, and nothing else there."""

from __future__ import annotations

import json
import subprocess

import pytest

from eplb_opt.claims.reading import read_section
from eplb_opt.report.outputs import GAP, GAP_METHOD, VERIFY, VERIFY_LAYER
from eplb_opt.report.page import OUTPUTS_PATH, outputs_page

from .common import COMMAND, TOPOLOGY, write_loads


def output_of(folder, *arguments, code=0):
    """What a command wrote on standard output, parsed."""
    run = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=folder, timeout=120)
    assert run.returncode == code, run.stderr
    assert not (folder / "-").exists()
    return json.loads(run.stdout)


@pytest.fixture
def folder(tmp_path):
    write_loads(tmp_path)
    return tmp_path


def solved(folder):
    return output_of(folder, "solve", "loads.npz", *TOPOLOGY, "--method", "greedy", "-o", "map.npz", "--json", "-")


def test_solve(folder):
    report = solved(folder)
    assert next(iter(report)) == "schema"
    assert [layer["layer_id"] for layer in report["layers"]] == [5, 8]
    assert (folder / "map.npz").exists()


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_verify(folder, factor):
    report = solved(folder)
    report["layers"][0]["objective"] *= factor
    (folder / "report.json").write_text(json.dumps(report))
    code = 0 if factor == 1 else 1
    check = output_of(folder, "verify", "map.npz", "report.json", "loads.npz", "--json", "-", code=code)
    assert check["exit_code"] == code
    assert check["map_valid"]
    assert (check["with_faults"], bool(check["layers"][0]["faults"])) == (code, bool(code))


def test_verify_writes_a_file(folder):
    (folder / "report.json").write_text(json.dumps(solved(folder)))
    command = [*COMMAND, "verify", "map.npz", "report.json", "loads.npz", "--json"]
    run = subprocess.run([*command, "check.json"], capture_output=True, text=True, cwd=folder, timeout=120)
    assert "2 layers: 0 with faults" in run.stdout
    assert json.loads((folder / "check.json").read_text())["bounds_proven"] == 2
    run = subprocess.run([*command, "report.json"], capture_output=True, text=True, cwd=folder, timeout=120)
    assert run.returncode == 2
    assert "which it would replace" in run.stderr


def test_gap(folder):
    solved(folder)
    found = output_of(
        folder, "gap", "loads.npz", *TOPOLOGY, "--methods", "greedy,refined", "--map", "map.npz", "--json", "-"
    )
    assert [row["method"] for row in found["methods"]] == ["greedy", "refined", "map map.npz"]


def test_gap_is_what_the_page_says(folder):
    solved(folder)
    chosen = ["--methods", "greedy", "--map", "map.npz"]
    found = output_of(folder, "gap", "loads.npz", *TOPOLOGY, *chosen, "--json", "-")
    assert tuple(found) == GAP.names()
    assert found["schema"] == "eplb_opt.gap/1"
    read_section(found, GAP, "gap", always)
    for row in found["methods"]:
        assert tuple(row) == GAP_METHOD.names()
        read_section(row, GAP_METHOD, "method", always)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_verify_is_what_the_page_says(folder, factor):
    report = solved(folder)
    report["layers"][0]["objective"] *= factor
    (folder / "report.json").write_text(json.dumps(report))
    arguments = ["map.npz", "report.json", "loads.npz"]
    found = output_of(folder, "verify", *arguments, "--json", "-", code=int(factor != 1))
    assert sorted(found) == sorted(VERIFY.names())
    assert found["schema"] == "eplb_opt.verify/1"
    read_section(found, VERIFY, "verify", always)
    for layer in found["layers"]:
        assert sorted(layer) == sorted(VERIFY_LAYER.names())
        read_section(layer, VERIFY_LAYER, "layer", always)


def always(_):
    return True


def test_the_page_is_up_to_date():
    assert OUTPUTS_PATH.read_text() == outputs_page(), "run python -m eplb_opt.report.page"

"""The costs that ship with the package: complete, and those of the committed measurements."""

from __future__ import annotations

import json

import pytest

from benchmarks.cost_tables import RESULTS, SHAPES, calibration_of
from benchmarks.store import read_lines
from eplb_opt.calibration.cost_file import cost_content
from eplb_opt.costs_measured import measured_names, measured_path

LINES = {line["name"]: line for line in read_lines(RESULTS)}


def test_every_shape_has_its_cost():
    assert sorted(SHAPES) == measured_names() == sorted(LINES)


@pytest.mark.parametrize("name", measured_names())
def test_a_cost_says_where_it_comes_from(name):
    about = json.loads(measured_path(name).read_text())["about"]
    assert about["card"].startswith("NVIDIA H100")
    assert about["commit"] == LINES[name]["commit"]
    assert about["date"] == LINES[name]["date"]
    assert {"torch", "cuda"} <= about["versions"].keys()
    assert 0 < about["held_out_error"]["median"] < 0.1
    assert about["held_out_error"]["steps"] > 100


@pytest.mark.parametrize("name", measured_names())
def test_a_cost_is_the_fit_of_its_measurements(name):
    shipped = json.loads(measured_path(name).read_text())
    made = cost_content(calibration_of(LINES[name]), {})
    assert made["tokens"] == shipped["tokens"]
    assert made["seconds"] == pytest.approx(shipped["seconds"], rel=1e-3)
    assert made["per_rank"] == pytest.approx(shipped["per_rank"], rel=1e-3)
    assert made["about"]["shape"] == shipped["about"]["shape"]
    error = shipped["about"]["held_out_error"]
    assert made["about"]["held_out_error"]["median"] == pytest.approx(error["median"], rel=0.01)

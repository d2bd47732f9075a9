"""The costs that ship with the package: complete, and those of the committed measurements."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.cost_tables import RESULTS, SHAPES, calibration_of
from benchmarks.store import read_lines
from eplb_opt import Cost
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
def test_a_cost_is_loaded_by_its_name(name):
    cost = Cost.load(name)
    assert cost == Cost.load(measured_path(name))
    at = cost(np.array([0, 1, 64, 40_000]))
    assert at[0] == 0 < at[1] <= at[2] < at[3]
    assert 0 < cost.per_rank < at[3]
    assert cost.unit == "s"


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Cost.tiles(128, 2.0)
    own.save("h100-deepseek-v3")
    assert Cost.load("h100-deepseek-v3") == own


@pytest.mark.parametrize("name", measured_names())
def test_the_fit_and_the_loaded_cost_predict_the_same(name):
    cost = Cost.load(name)
    calibration = calibration_of(LINES[name])
    steps = calibration.held_out.steps
    predicted = [cost(np.array(step)).sum() + cost.per_rank for step in steps]
    assert predicted == pytest.approx(calibration.cost.step_seconds(steps), rel=1e-3)


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

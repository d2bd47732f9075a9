"""Costs read again: what they predict, and what is no cost."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt.calibration.measured import load_cost
from eplb_opt.costs_measured import measured_names, measured_path
from eplb_opt.errors import FormatError

TABLE = {"schema": "eplb-opt/cost/1", "kind": "table", "tokens": [0, 1, 100], "seconds": [0.0, 4.0, 6.0]}
TABLE |= {"per_rank": 0.5, "unit": "s", "about": {}}


def written(tmp_path, **changed):
    path = tmp_path / "cost.json"
    path.write_text(json.dumps(TABLE | changed))
    return str(path)


def test_a_cost_is_on_lines_and_goes_on_beyond_the_last_point(tmp_path):
    cost = load_cost(written(tmp_path))
    assert cost([0, 0.5, 1, 50.5, 100, 199]).tolist() == [0, 2, 4, 5, 6, 8]
    assert (cost.per_rank, cost.unit) == (0.5, "s")
    assert cost.to_dict() == TABLE


def test_a_step_is_the_sum_over_experts(tmp_path):
    cost = load_cost(written(tmp_path))
    assert cost.curve.step_seconds([(0, 1, 199)]).tolist() == [0.5 + 0 + 4 + 8]


@pytest.mark.parametrize("name", measured_names())
def test_a_shipped_cost_is_found_by_its_name(name):
    cost = load_cost(name)
    assert cost.to_dict() == json.loads(measured_path(name).read_text())
    at = cost(np.array([0, 1, 64, 40_000]))
    assert at[0] == 0 < at[1] <= at[2] < at[3]
    assert 0 < cost.per_rank < at[3]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"schema": "eplb_opt.report/1"}, "not a cost"),
        ({"kind": "roofline"}, "a cost of kind 'roofline', give a measured table"),
        ({"tokens": [0, 1]}, "seconds are as many as tokens"),
        ({"tokens": [1, 2, 3]}, "tokens grow from 0"),
        ({"tokens": [0, 2, 2]}, "tokens grow from 0"),
        ({"seconds": [0.0, 4.0, 3.0]}, "never fall"),
        ({"seconds": "no"}, "not a measured cost"),
        ({"per_rank": None}, "not a measured cost"),
        ({"unit": 3}, "not a measured cost"),
    ],
)
def test_what_is_no_cost_is_refused(changed, said, tmp_path):
    with pytest.raises(FormatError, match=said):
        load_cost(written(tmp_path, **changed))


def test_a_name_that_is_none_lists_those_that_ship():
    with pytest.raises(FormatError, match="ship with the package: h100-deepseek-v3, "):
        load_cost("h100-nothing")

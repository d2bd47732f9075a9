"""Cases in time: the roofline of a measured cost, what is solved, and that the page is made of the results."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import cost_cases
from benchmarks.store import read_lines
from eplb_opt import Cost, Instance, Limits


def test_the_roofline_of_a_measured_cost():
    table = Cost.table([0, 1, 100, 200], [0.0, 2.0, 3.0, 8.0], per_rank=0.5)
    roofline = cost_cases.roofline(table)
    assert roofline([0, 1, 50, 200]).tolist() == [0.0, 2.0, 2.0, 8.0]
    assert roofline.to_dict()["per_rank"] == 0.5


def test_a_line_of_a_case(monkeypatch):
    load = np.random.default_rng(0).integers(1, 99, (1, 2, 8))
    monkeypatch.setattr(cost_cases, "registry", lambda: {"ds3-toy": lambda: Instance(load, 12, num_ranks=4)})
    monkeypatch.setattr(cost_cases, "LIMITS", Limits(seconds=None, work=0.05, workers=1, gap=0.5))
    assert cost_cases.jobs([])[0] == ("ds3-toy", "roofline", 1024)
    line = cost_cases.measured("ds3-toy", "measured", 1024)
    assert line["layers"] == 2
    assert line["optimal"] == 2
    assert 0 <= line["mean gap"] <= line["largest gap"] <= 0.5


def test_an_unknown_case_is_named(monkeypatch):
    monkeypatch.setattr(cost_cases, "registry", lambda: {"ds3-toy": None})
    with pytest.raises(SystemExit, match="no case other: choose from ds3-toy"):
        cost_cases.jobs(["other"])


def test_the_page_is_made_of_the_results():
    assert cost_cases.PAGE.read_text() == cost_cases.page(read_lines(cost_cases.RESULTS))

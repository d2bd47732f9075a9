"""The curve of unseen imbalance against time: how a point is measured, and what the page shows of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import foresight_curve as curve
from benchmarks.foresight import Split
from benchmarks.store import read_lines
from eplb_opt import Objective
from eplb_opt.foresight.plan import plan_windows

MADE_BY = {"commit": "abc", "date": "2026-11-27", "cpu": "a CPU", "cores": 2, "seed": 1}


def small() -> Split:
    load = np.random.default_rng(0).lognormal(4, 1, (12, 3, 16)).round()
    return Split("noise", load[::2], load[1::2], 24, 4)


def test_a_point_is_planned_on_the_seen_windows_and_judged_on_the_others(monkeypatch):
    monkeypatch.setattr(curve, "PROPOSALS", (0, 500, 5_000))
    split = small()
    line = curve.measured(split, 2)
    assert line["layers"] == 2
    assert [point["moves"] for point in line["points"]] == [0, 500, 5_000]
    seen = split.instance(split.seen[:, :2], Objective("mean"))
    unseen = split.instance(split.unseen[:, :2], Objective("mean"))
    for point in line["points"]:
        imbalance = plan_windows(seen, moves=point["moves"]).window_imbalance(unseen)
        assert point["unseen"] == pytest.approx(imbalance.mean(), rel=1e-12)
    on_seen = [point["seen"] for point in line["points"]]
    assert on_seen == sorted(on_seen, reverse=True)


def test_the_table_has_a_column_for_every_number_of_proposals(monkeypatch):
    monkeypatch.setattr(curve, "PROPOSALS", (0, 500))
    lines = [MADE_BY | curve.measured(small())]
    text = curve.page(lines)
    assert "| recording | windows | layers x experts, replicas/ranks | 0 | 500 |" in text
    assert f"{lines[0]['points'][1]['unseen']:.3f} (" in text


def test_the_large_model_has_the_same_topics_in_other_shares():
    one, two = curve.homogeneous(1), curve.homogeneous(2)
    assert one.shape == (curve.WINDOWS, curve.LAYERS, curve.EXPERTS)
    means = [load.mean(axis=0).ravel() for load in (one, two)]
    assert np.corrcoef(means)[0, 1] > 0.5
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, curve.homogeneous(1))


def test_the_page_is_made_of_the_results():
    if not curve.RESULTS.exists():
        pytest.skip("not measured yet")
    assert curve.PAGE.read_text() == curve.page(read_lines(curve.RESULTS))

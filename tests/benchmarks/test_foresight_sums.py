"""Plans on a sum alone: what is judged, and that the page is made of the results."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import foresight_sums as sums
from benchmarks.foresight import Split
from benchmarks.store import read_lines
from eplb_opt import Limits, Placement


def test_repeats_of_a_layer():
    placement = Placement(np.array([[0, 0, 1, 2, 2, 2], [0, 1, 0, 1, 0, 2]]), 3)
    assert sums.repeats(placement, 2) == 2.0
    assert sums.repeats(placement, 3) == 1.0


def test_a_line(monkeypatch):
    monkeypatch.setattr(sums, "LIMITS", Limits(seconds=None, work=0.05, gap=1e-3))
    seen, unseen = np.random.default_rng(0).lognormal(0, 1, (2, 8, 2, 8))
    line = sums.measured(Split("toy", seen, unseen, 12, 4))
    assert line["greedy"] > 1
    assert list(line["above"]) == ["policy", "refined", "optimal"]
    assert len(line["repeats"]) == 4
    assert line["error"]["policy"] > 0


def test_the_page_is_made_of_the_results():
    assert sums.PAGE.read_text() == sums.page(read_lines(sums.RESULTS))

"""The benchmark of what plug-ins remember: how a trace is played, and that the page is made of the results."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import history
from benchmarks.store import read_lines
from eplb_opt import Instance, Objective
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.heuristics.refine import refined


@pytest.mark.parametrize("size", [0, 2])
def test_a_map_is_judged_on_the_next_call(size):
    load = np.random.default_rng(0).lognormal(4, 1, (history.FIRST + 2, 2, 12)).round()
    found = history.played(history.Trace("noise", load, 16, 4), size)
    seen = load[history.FIRST - 1 : history.FIRST + 1] if size else load[history.FIRST : history.FIRST + 1]
    instance = Instance(seen, 16, num_ranks=4, objective=Objective("mean"))
    placement = plan_windows(instance) if size else refined(instance)
    following = Instance(load[-1:], 16, num_ranks=4, objective=Objective("mean"))
    assert found["next"] == pytest.approx(placement.window_imbalance(following).mean(), rel=1e-12)
    assert found["ms a layer"] > 0


def test_a_half_life_weighs_the_windows_and_is_not_timed(monkeypatch):
    monkeypatch.setattr(history, "HALF_LIVES", (0, 1))
    load = np.random.default_rng(0).lognormal(4, 1, (history.FIRST + 3, 2, 12)).round()
    found = history.weighted(history.Trace("noise", load, 16, 4))["half-lives"]
    assert found["0"] == {
        k: v
        for k, v in history.played(history.Trace("noise", load, 16, 4), history.WEIGHED).items()
        if k != "ms a layer"
    }
    assert found["1"]["next"] != found["0"]["next"]


def test_another_order_has_the_same_windows():
    load = np.arange(24.0).reshape(6, 2, 2)
    found = history.shuffled(load)
    assert sorted(found[:, 0, 0]) == sorted(load[:, 0, 0])
    assert not np.array_equal(found, load)
    assert np.array_equal(found, history.shuffled(load))


def test_the_page_is_made_of_the_results():
    assert history.PAGE.read_text() == history.page(read_lines(history.RESULTS))

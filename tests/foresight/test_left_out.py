"""Windows that are left out of a plan say whether it helps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Instance, Objective
from eplb_opt.foresight.left_out import LeftOut, left_out
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.heuristics.refine import refined

from ..conftest import recorded


def over(load, **options) -> Instance:
    return Instance(load, 24, num_ranks=8, objective=Objective("mean", **options))


def test_it_is_judged_on_what_was_not_planned_on_both_ways_round():
    random = np.random.default_rng(2)
    load = random.lognormal(0, 1, (7, 2, 16))
    weights = (random.random(7) + 0.1).tolist()
    found = left_out(over(load, weights=weights), workers=2)
    even = over(load[::2], weights=weights[::2])
    odd = over(load[1::2], weights=weights[1::2])
    planned = [plan_windows(even).objective(odd).mean(), plan_windows(odd).objective(even).mean()]
    summed = [refined(even).objective(odd).mean(), refined(odd).objective(even).mean()]
    assert found == LeftOut(float(np.mean(summed)), float(np.mean(planned)))


def test_too_few_windows_say_nothing():
    assert left_out(over(np.ones((3, 1, 16)))) is None


def test_it_helps_only_if_it_is_better():
    assert LeftOut(1.2, 1.1).helps
    assert not LeftOut(1.1, 1.1).helps
    assert not LeftOut(1.1, 1.2).helps


@pytest.mark.recorded
def test_windows_of_one_kind_help_and_mixed_ones_do_not():
    """Each of four windows with an eighth of every task, or all windows as they are."""
    load = recorded("deepseek_v2_lite_windows").astype(np.float64)
    tasks = [load[i : i + 4] for i in range(0, 32, 8)]
    mixed = np.stack([sum(task[i] for task in tasks) for i in range(4)])
    seen = np.concatenate(tasks)
    objective = Objective("mean")
    assert left_out(Instance(seen, 80, num_ranks=16, objective=objective)).helps
    assert not left_out(Instance(mixed, 80, num_ranks=16, objective=objective)).helps

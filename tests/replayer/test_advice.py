"""Advice: the least costly way near the best, chosen on the earlier windows and judged on the later ones."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt.replayer.advice import advise
from eplb_opt.replayer.judge import Outcome

NO_MOVES = np.empty((0, 1), dtype=np.int64)


def outcome(policy, interval, by_window, replicas=8, moves=None):
    imbalance = np.array(by_window, dtype=float)[:, None]
    plans = 1 if interval is None else -(-len(by_window) // interval)
    moved = NO_MOVES if moves is None else np.full((plans - 1, 1), moves)
    return Outcome(policy, replicas, interval, imbalance, 1.0, moved, moved, 0.0, plans)


def test_the_later_windows_say_nothing_to_the_choice():
    one = outcome("greedy", None, [1.1, 1.1, 9.0, 9.0])
    other = outcome("refined", None, [1.5, 1.5, 1.0, 1.0])
    advice = advise([one, other])
    assert advice.policy == "greedy"
    assert advice.is_held_out
    assert (advice.chosen_on, advice.judged_on) == (2, 2)
    assert (advice.chosen_imbalance, advice.imbalance) == (pytest.approx(1.1), 9.0)
    (comparison,) = advice.comparisons
    assert (comparison.policy, comparison.imbalance, comparison.saved, comparison.error) == ("refined", 1.0, -8.0, 0.0)


def test_a_short_trace_is_not_held_out():
    advice = advise([outcome("greedy", None, [1.1, 1.3, 1.2])])
    assert not advice.is_held_out
    assert advice.chosen_on == advice.judged_on == 3
    assert advice.chosen_imbalance == advice.imbalance == pytest.approx(1.2)


def test_re_planning_must_pay():
    never = outcome("greedy", None, [1.2] * 8)
    slightly = outcome("greedy", 2, [1.195] * 8)
    advice = advise([never, slightly])
    assert advice.interval is None
    assert not advice.replans
    assert [c.interval for c in advice.comparisons] == [2]
    much = outcome("greedy", 2, [1.1] * 8)
    advice = advise([never, much])
    assert advice.interval == 2
    assert [(c.interval, c.saved) for c in advice.comparisons] == [(None, pytest.approx(0.1))]


def test_fewer_replicas_where_more_do_not_pay():
    few = outcome("greedy", 4, [1.2] * 8, replicas=8)
    more = outcome("greedy", 4, [1.199] * 8, replicas=12)
    assert advise([few, more]).replicas == 8
    many = outcome("greedy", 4, [1.0] * 8, replicas=16)
    advice = advise([few, more, many])
    assert advice.replicas == 16
    assert [c.replicas for c in advice.comparisons] == [8, 12]


def test_fewer_moves_where_more_do_not_pay():
    never = outcome("greedy", None, [1.4] * 8)
    often = outcome("refined", 1, [1.2] * 8, moves=1)
    seldom = outcome("greedy", 4, [1.2] * 8, moves=8)
    advice = advise([never, seldom, often])
    assert (advice.policy, advice.moves, advice.moves_share) == ("refined", 1.0, 0.125)
    assert {(c.policy, c.interval): c.moves for c in advice.comparisons} == {("greedy", 4): 8.0}
    assert advise([never]).moves is None


def test_the_floor_is_compared_with_and_never_advised():
    greedy = outcome("greedy", None, [1.2] * 4)
    advice = advise([outcome("own", None, [1.0] * 4), greedy])
    assert advice.policy == "greedy"
    assert [(c.policy, c.saved) for c in advice.comparisons] == [("own", pytest.approx(-0.2))]


def test_the_standard_error_is_of_the_difference():
    one = outcome("greedy", None, [1.0, 1.0, 1.1, 1.5])
    other = outcome("refined", None, [2.0, 2.0, 1.3, 1.9])
    (comparison,) = advise([one, other]).comparisons
    assert comparison.saved == pytest.approx(0.3)
    assert comparison.error == pytest.approx(0.1)


def test_as_json():
    advice = advise([outcome("greedy", 2, [1.2] * 4), outcome("own", 2, [1.0] * 4)])
    assert advice.to_dict()["comparisons"][0]["policy"] == "own"


def test_who_played_at_longer_intervals_only_is_compared_at_the_next_one():
    outcomes = [outcome("greedy", interval, [1.1] * 8) for interval in (2, 4)]
    outcomes += [outcome("optimal", interval, [1.3] * 8) for interval in (None, 8, 4)]
    outcomes.append(outcome("greedy", None, [1.2] * 8))
    advice = advise(outcomes)
    assert (advice.policy, advice.interval) == ("greedy", 4)
    assert [(c.policy, c.interval) for c in advice.comparisons] == [("greedy", None), ("optimal", 4)]
    fewer = advise([o for o in outcomes if (o.policy, o.interval) != ("optimal", 4)])
    assert [(c.policy, c.interval) for c in fewer.comparisons] == [("greedy", None), ("optimal", 8)]

"""Traces: windows put together, and which of them a plan sees and serves."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt import FormatError, OptionError
from eplb_opt.formats import Loads
from eplb_opt.replayer.game import game_of
from eplb_opt.replayer.trace import Trace, Turn, as_trace, turn_by_label, turns_by_time, usual_history, usual_intervals


def trace_of(windows, labels=None):
    load = np.arange(windows * 2.0).reshape(windows, 1, 2)
    return Trace(load, tuple(labels or map(str, range(windows))), None)


@pytest.mark.parametrize("windows", [2, 3, 7, 12])
@pytest.mark.parametrize("history", [1, 2, 5])
@pytest.mark.parametrize("interval", [None, 1, 2, 3, 40])
def test_every_window_after_the_warm_up_is_served_once_and_by_its_past(windows, history, interval):
    turns = turns_by_time(windows, history, interval)
    served = [window for turn in turns for window in turn.served]
    assert served == list(range(history, windows))
    for turn in turns:
        assert turn.seen == tuple(range(turn.served[0] - history, turn.served[0]))
        assert interval is None or len(turn.served) <= interval
    if interval is None:
        assert len(turns) <= 1


def test_nobody_is_judged_on_planning_data():
    with pytest.raises(OptionError, match="window 2 would be judged on the plan that was made of it"):
        Turn((1, 2), (2, 3))


def test_windows_are_put_together():
    joined = trace_of(7, ["a", "a", "a", "b", "b", "b", "b"]).joined(2)
    np.testing.assert_array_equal(joined.load[:, 0], [[2, 4], [10, 12], [18, 20]])
    assert joined.labels == ("a", "a..b", "b")
    with pytest.raises(OptionError, match="window=8: the trace has 7 windows"):
        trace_of(7).joined(8)


def test_labels():
    turn = turn_by_label(("a", "b", "a", "c"), ["a"], ["c", "b"])
    assert turn == Turn((0, 2), (1, 3))
    with pytest.raises(OptionError, match="test 'd': no window has this label; there are a, b, c"):
        turn_by_label(("a", "b", "a", "c"), ["a"], ["d"])
    with pytest.raises(OptionError, match=r"train=\[\]: give one label or more"):
        turn_by_label(("a", "b"), [], ["a"])
    with pytest.raises(OptionError, match="judged on the plan"):
        turn_by_label(("a", "b"), ["a", "b"], ["a"])


def test_sources(tmp_path):
    load = np.ones((3, 2, 4))
    np.savez(tmp_path / "loads.npz", load=load, layer_ids=[4, 7], window=["x", "y", "z"])
    read = as_trace(str(tmp_path / "loads.npz"))
    assert (read.labels, read.layer_ids, read.load.shape) == (("x", "y", "z"), (4, 7), (3, 2, 4))
    assert as_trace(load.tolist()).labels == ("0", "1", "2")
    assert as_trace(Loads(load, None, ("p", "q", "r"))).labels == ("p", "q", "r")
    with pytest.raises(FormatError, match="the trace"):
        as_trace([1, 2])


def test_what_is_usual():
    assert [usual_history(windows) for windows in (2, 7, 32, 703)] == [1, 1, 8, 16]
    assert usual_intervals(1, 64) == [None]
    assert usual_intervals(54, 64) == [None, 1, 2, 4, 8, 16, 32]
    assert usual_intervals(687, 64) == [None, 16, 32, 64, 128, 256, 512]


@pytest.mark.parametrize(
    ("windows", "options", "message"),
    [
        (1, {}, "the trace has one window"),
        (4, {"history": 4}, "history=4: the trace has 4 windows, give at most 3"),
        (4, {"history": 2, "interval": 3}, "interval=3: 2 windows are served"),
        (4, {"train": ["0"], "test": ["1"], "interval": 3}, "interval=3 with train and test"),
        (4, {"train": ["0"], "test": ["1"], "history": 1}, "history=1 with train and test"),
        (4, {"train": ["0"]}, r"test=\[\]: give one label"),
    ],
)
def test_what_cannot_be_played_is_said(windows, options, message):
    usual = {"history": None, "interval": None, "train": [], "test": []}
    with pytest.raises(OptionError, match=message):
        game_of(trace_of(windows), **(usual | options))


def test_who_is_slow_makes_few_plans_unless_asked_to():
    game = game_of(trace_of(32), None, None, [], [])
    assert game.intervals(is_slow=False) == [None, 1, 2, 4, 8, 16]
    assert game.intervals(is_slow=True) == [None, 4, 8, 16]
    assert [game.shown_interval(True, interval) for interval in (None, 1, 4, 8)] == [None, 4, 4, 8]
    asked = game_of(trace_of(32), 8, 2, [], [])
    assert asked.intervals(is_slow=True) == [None, 2]
    assert asked.shown_interval(False, None) == 2

"""The benchmark of the package's own recording: how it is split, and that its page is made of the results."""

from __future__ import annotations

import numpy as np

from benchmarks import demo
from benchmarks.store import read_lines
from eplb_opt import demo_recording


def test_days_are_halves():
    seen, unseen = demo.by_day()
    assert len(seen) == len(unseen) == 48
    np.testing.assert_array_equal(np.concatenate([seen, unseen]), demo_recording("days").load)


def test_every_kind_is_in_both_halves():
    loads = demo_recording("kinds")
    label_of = {window.tobytes(): label for window, label in zip(loads.load.astype(float), loads.windows, strict=True)}
    for half in demo.by_kind():
        labels = [label_of[window.tobytes()] for window in half]
        assert all(labels.count(kind) == 4 for kind in set(loads.windows))
        assert len(labels) == 32
    seen, unseen = demo.by_kind()
    assert not {window.tobytes() for window in seen} & {window.tobytes() for window in unseen}


def test_the_page_is_made_of_the_results():
    assert demo.PAGE.read_text() == demo.page(read_lines(demo.RESULTS))

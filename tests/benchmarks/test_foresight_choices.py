"""Choices of a plan over windows: what is planned on, and that the page is made of the results."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from benchmarks import foresight_choices as choices
from benchmarks.foresight import Split
from benchmarks.store import read_lines


def test_windows_are_added_as_they_follow_each_other():
    windows = np.arange(7.0).reshape(7, 1, 1)
    assert choices.added(windows, 2).ravel().tolist() == [1.0, 5.0, 9.0]


def test_every_choice_is_judged(monkeypatch):
    monkeypatch.setattr(choices, "MOVES", 256)
    seen, unseen = np.random.default_rng(0).lognormal(0, 1, (2, 8, 2, 8))
    line = choices.measured(Split("toy", seen, unseen, 12, 4))
    found = {name: point["unseen"] for name, point in line["choices"].items()}
    assert list(found)[:2] == ["sharpness 4", "sharpness 8"]
    assert list(found)[-2:] == ["2 added", "4 added"]
    assert len(set(found.values())) > 2
    assert min(found.values()) > 1


def test_the_page_is_made_of_the_results():
    assert choices.PAGE.read_text() == choices.page(read_lines(choices.RESULTS))

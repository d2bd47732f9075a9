"""A job that is killed, in a process of its own: the short form of ``python -m tests.kills 100``."""

from __future__ import annotations

import random

import pytest

from ..kills import Run, faults, killed_job, result, run, write_loads

pytest.importorskip("numba")
pytest.importorskip("ortools")


def test_a_killed_job_loses_what_it_was_at_and_ends_as_if_nothing_had_happened(tmp_path):
    whole = tmp_path / "whole"
    killed = tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    write_loads(whole, layers=3)
    write_loads(killed, layers=3)
    assert run(whole, None).code == 0
    runs, found = killed_job(killed, 1, 4.0, random.Random(5))
    assert found == []
    assert runs[-1].code == 0
    assert result(killed) == result(whole)


def test_faults_are_found():
    good = [Run(-9, ["a", "b"], ["a"], ""), Run(0, ["b", "c"], ["b", "c"], "")]
    assert faults(good) == []
    again = [Run(-9, ["a"], ["a"], ""), Run(0, ["a"], ["a"], "")]
    assert faults(again) == ["run 1 begins again what had ended: a"]
    assert faults([Run(-9, ["a", "b", "c"], [], "")]) == ["run 0 loses 3 tasks"]
    assert faults([Run(2, [], [], "bad")]) == ["run 0: exit code 2: bad"]

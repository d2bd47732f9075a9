"""A job with a journal: it goes on where it was, to the same result, and is no other one."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time

import numpy as np
import pytest

from eplb_opt import Instance, Journal, Limits, Objective, Placement, SolveInterrupted, StopReason, solve
from eplb_opt.errors import JournalError, JournalWarning, OptionError
from eplb_opt.journal.journal import differences
from eplb_opt.journal.outcomes import certificate_of, certificate_to_dict, outcome_of, outcome_to_dict
from eplb_opt.journal.store import Store
from eplb_opt.outcome import PoolOutcome
from eplb_opt.resumed import TASK, Resumed

pytest.importorskip("numba")
pytest.importorskip("ortools")
LOAD = np.random.default_rng(1).lognormal(0, 1, (4, 3, 12)).round(3)
LIMITS = Limits(seconds=None, work=0.01, gap=1e-4)
INSTANCES = {
    "sum": Instance(LOAD, 18, num_ranks=6),
    "nodes": Instance(LOAD, 18, num_ranks=6, num_groups=4, num_nodes=2),
    "windows of nodes": Instance(LOAD, 18, num_ranks=6, num_groups=4, num_nodes=2, objective=Objective("mean")),
}


def without_times(certificates):
    """As JSON has them: lists of proofs are tuples before they are written."""
    return [json.dumps(dataclasses.asdict(one) | {"seconds": 0, "reached": ()}) for one in certificates]


def assert_same(one, other):
    np.testing.assert_array_equal(one.placement.phy2log, other.placement.phy2log)
    assert without_times(one.certificates) == without_times(other.certificates)


class KilledError(Exception):
    """As a process that is killed: nobody catches it."""


def stop_after(monkeypatch, tasks):
    """Let a job die when so many tasks have ended; returns those that have."""
    done = Resumed.done
    ended = []

    def die(self, key, outcome, seconds):
        done(self, key, outcome, seconds)
        ended.append(key)
        if len(ended) == tasks:
            raise KilledError

    monkeypatch.setattr(Resumed, "done", die)
    return ended


@pytest.mark.parametrize("name", INSTANCES)
def test_a_job_that_died_goes_on_to_the_same_result(name, tmp_path, monkeypatch):
    whole = solve(INSTANCES[name], "optimal", LIMITS)
    with monkeypatch.context() as patched:
        ended = stop_after(patched, 2)
        with pytest.raises(KilledError):
            solve(INSTANCES[name], "optimal", LIMITS, journal=tmp_path / "j")
        assert len(ended) == 2
    again = stop_after(monkeypatch, -1)
    assert_same(whole, solve(INSTANCES[name], "optimal", LIMITS, journal=tmp_path / "j"))
    assert not set(ended[:1]) & set(again[:1])
    assert len(Store(tmp_path / "j").entries(TASK)) == 2 + len(again)


def test_choices_are_not_made_again(tmp_path, monkeypatch):
    from eplb_opt.least_harm import LeastHarm

    limits = dataclasses.replace(LIMITS, gap=1e-2)
    whole = solve(INSTANCES["sum"], "optimal", limits)
    chosen = LeastHarm._chosen

    def die(self, layer):
        if layer.layer == 2:
            raise KilledError
        return chosen(self, layer)

    with monkeypatch.context() as patched:
        patched.setattr(LeastHarm, "_chosen", die)
        with pytest.raises(KilledError):
            solve(INSTANCES["sum"], "optimal", limits, journal=tmp_path / "j")
    store = Store(tmp_path / "j")
    assert [layer for layer, _ in store.entries("choice")] == [0, 1]
    store.close()
    assert_same(whole, solve(INSTANCES["sum"], "optimal", limits, journal=tmp_path / "j"))


def test_a_finished_job_is_read_and_not_computed(tmp_path, monkeypatch):
    first = solve(INSTANCES["sum"], "optimal", LIMITS, journal=tmp_path / "j")
    monkeypatch.setattr("eplb_opt.call.Solving", None)
    again = solve(INSTANCES["sum"], "optimal", dataclasses.replace(LIMITS, workers=3), journal=str(tmp_path / "j"))
    assert_same(first, again)
    assert json.dumps(again.to_dict()["totals"]) == json.dumps(first.to_dict()["totals"])


def test_an_interrupted_task_is_done_again(tmp_path, monkeypatch):
    from eplb_opt import sharing

    number = 0
    original = sharing.Sharing.next_task

    def next_task(schedule):
        nonlocal number
        number += 1
        if number == 3:
            raise KeyboardInterrupt
        return original(schedule)

    whole = solve(INSTANCES["sum"], "optimal", LIMITS)
    with monkeypatch.context() as patched:
        patched.setattr(sharing.Sharing, "next_task", next_task)
        with pytest.raises(SolveInterrupted):
            solve(INSTANCES["sum"], "optimal", LIMITS, journal=tmp_path / "j")
    assert_same(whole, solve(INSTANCES["sum"], "optimal", LIMITS, journal=tmp_path / "j"))


def test_what_was_interrupted_or_failed_is_not_kept(tmp_path):
    class Tasks:
        deadline = None
        layers = ()

        def done(self, key, outcome, seconds):
            self.seen = outcome

    with Journal(tmp_path / "j") as journal:
        tasks = Resumed(Tasks(), journal)
        for stop in (StopReason.INTERRUPTED, StopReason.FAILED):
            tasks.done((0, (0,)), PoolOutcome(None, None, stop, "optimal"), 1.0)
            assert tasks.sharing.seen.stop is stop
        assert journal.known(TASK) == {}


CHANGED = {
    "other loads": {"instance": Instance(LOAD + 1, 18, num_ranks=6)},
    "num_ranks=6 instead of num_ranks=9": {"instance": Instance(LOAD, 18, num_ranks=9)},
    "method='optimal' instead of method='refined'": {"method": "refined"},
    "seed=0 instead of seed=1": {"limits": dataclasses.replace(LIMITS, seed=1)},
    "work=0.01 instead of work=0.02": {"limits": dataclasses.replace(LIMITS, work=0.02)},
    "spare=None instead of spare='rank'": {"instance": Instance(LOAD, 24, num_ranks=6), "spare": "rank"},
    "objective=": {"instance": Instance(LOAD, 18, num_ranks=6, objective=Objective("mean"))},
}


@pytest.mark.parametrize("what", CHANGED)
def test_another_job_is_refused_by_what_differs(what, tmp_path, monkeypatch):
    stop_after(monkeypatch, 1)
    asked = {"instance": INSTANCES["sum"], "method": "optimal", "limits": LIMITS}
    with pytest.raises(KilledError):
        solve(**asked, journal=tmp_path / "j")
    with pytest.raises(JournalError, match="is of another job, with ") as caught:
        solve(**(asked | CHANGED[what]), journal=tmp_path / "j")
    assert what in str(caught.value)


def test_many_differences_are_counted():
    known = dict.fromkeys("abcde", 0)
    assert differences(known, dict.fromkeys("abcde", 1)).endswith("c=0 instead of c=1, 2 more")
    assert differences({"a": (1, 2)}, {"a": [1, 2]}) == ""


def test_a_journal_without_a_job_leaves_no_file(tmp_path):
    with Journal(tmp_path / "j"):
        assert (tmp_path / "j").exists()
    assert not (tmp_path / "j").exists()


def test_a_rerun_gets_what_is_left_of_the_time(tmp_path, monkeypatch):
    instance = INSTANCES["sum"]
    limits = Limits(seconds=60.0, gap=1e-4)
    with monkeypatch.context() as patched:
        stop_after(patched, 1)
        with pytest.raises(KilledError):
            solve(instance, "optimal", limits, journal=tmp_path / "j")
    store = Store(tmp_path / "j")
    assert store.head("spent") > 0
    (kept,) = store.entries(TASK).values()
    store.put_head(spent=1000.0)
    store.close()
    start = time.monotonic()
    late = solve(instance, "optimal", limits, journal=tmp_path / "j")
    assert late.seconds - (time.monotonic() - start) == pytest.approx(1000.0, abs=20.0)
    assert not late.placement.violations(instance)
    first = outcome_of(kept["outcome"])
    assert first.lower_bound is None or late.lower_bound.max() >= first.lower_bound


@pytest.mark.parametrize("name", ["sum", "nodes", "mean"])
def test_a_rerun_without_time_has_the_maps_of_before(name, tmp_path, monkeypatch):
    instance = {**INSTANCES, "mean": Instance(LOAD, 18, num_ranks=6, objective=Objective("mean"))}[name]
    limits = Limits(seconds=60.0, gap=1e-9)
    with monkeypatch.context() as patched:
        stop_after(patched, 1)
        with pytest.raises(KilledError):
            solve(instance, "optimal", limits, journal=tmp_path / "j")
    store = Store(tmp_path / "j")
    starts = np.array(list(store.entries("start").values()))
    store.put_head(spent=1000.0)
    store.close()
    monkeypatch.setattr("eplb_opt.solving.Solving._make_starts", None)
    late = solve(instance, "optimal", limits, journal=tmp_path / "j")
    before = Placement(starts, instance.num_experts).objective(instance)
    assert (late.objective <= before).all()
    assert not late.placement.violations(instance)


def test_the_time_of_a_long_task_is_noted_while_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("eplb_opt.journal.journal.TICK", 0.01)
    with Journal(tmp_path / "j") as journal:
        journal.begin({})
        with journal.timed(lambda: 7.0):
            end = time.monotonic() + 60
            while journal.spent != 7.0:
                assert time.monotonic() < end


def test_a_full_disk_ends_the_journal_and_not_the_job(tmp_path, monkeypatch):
    whole = solve(INSTANCES["sum"], "optimal", LIMITS)

    def full(*_):
        raise JournalError("the journal j cannot be read or written: database or disk is full")

    monkeypatch.setattr(Store, "put", full)
    with pytest.warns(JournalWarning, match="disk is full; from here on nothing is kept"):
        result = solve(INSTANCES["sum"], "optimal", LIMITS, journal=tmp_path / "j")
    assert_same(whole, result)
    with (
        pytest.warns(JournalWarning, match="disk is full"),
        pytest.raises(JournalError, match="shard 1/2 has to run again"),
        Journal(tmp_path / "k", "1/2") as journal,
    ):
        solve(INSTANCES["sum"], "optimal", LIMITS, journal=journal)


def test_sqlites_own_error_of_a_full_disk_is_ours(tmp_path):
    store = Store(tmp_path / "j")
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(JournalError, match=r"\(database or disk is full\): free space"):
        store.put("task", {(1,): "x" * 100_000}, 0.0)
    store.put("task", {(2,): "small"}, 0.0)
    assert store.entries("task") == {(2,): "small"}


def test_a_shard_without_layers_is_refused(tmp_path):
    with pytest.raises(OptionError, match="shard 5/5 of 3 layers has none"), Journal(tmp_path / "j", "5/5") as journal:
        solve(INSTANCES["sum"], "greedy", journal=journal)


def test_a_journal_of_another_shard_is_refused(tmp_path):
    with Journal(tmp_path / "j", "1/2") as journal:
        solve(INSTANCES["sum"], "greedy", journal=journal)
    with pytest.raises(JournalError, match="is of shard 1/2, not 2/2"), Journal(tmp_path / "j", "2/2") as journal:
        solve(INSTANCES["sum"], "greedy", journal=journal)


def test_outcomes_and_certificates_come_back_as_they_were():
    result = solve(INSTANCES["sum"], "optimal", LIMITS)
    for certificate in result.certificates:
        again = certificate_of(json.loads(json.dumps(certificate_to_dict(certificate))))
        assert without_times([again]) == without_times([certificate])
        assert (again.seconds, again.reached) == (certificate.seconds, certificate.reached)
    outcome = PoolOutcome(None, 0.1 + 0.2, StopReason.WORK, "search", "L2 pattern LP", "note")
    assert dataclasses.asdict(outcome_of(outcome_to_dict(outcome))) == dataclasses.asdict(outcome)


def test_an_old_copy_of_a_damaged_file_is_said(tmp_path):
    with Journal(tmp_path / "j") as journal:
        solve(INSTANCES["sum"], "greedy", journal=journal)
    connection = sqlite3.connect(tmp_path / "j")
    with connection:
        connection.execute("DROP TABLE entries")
    connection.close()
    with pytest.raises(JournalError, match="is no journal: name one that --journal wrote"):
        solve(INSTANCES["sum"], "greedy", journal=tmp_path / "j")

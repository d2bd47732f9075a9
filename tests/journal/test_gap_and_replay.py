"""`gap` and `replay` with a journal: what was done is not done again; the result is that of a run that nobody ended."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt import Journal, JournalError, replay
from eplb_opt import solver as solver_module
from eplb_opt.cli import main
from eplb_opt.journal.store import Store
from eplb_opt.replayer import rounds

pytest.importorskip("numba")
LOADS = np.rint(np.random.default_rng(0).lognormal(3, 1, (6, 2, 8)))
PLAYED = {"num_ranks": 4, "history": 2, "policies": ["greedy", "refined", "refined-windows", "own"]}
GAP = ["gap", "loads.npz", "--replicas", "12", "--ranks", "4", "--windows", "0", "--work", "0.05"]
METHODS = ["--methods", "greedy,optimal,refined", "--journal", "gap.sqlite", "--json", "gap.json", "-q"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("loads.npz", load=LOADS)
    return tmp_path


def ending_after(plans, call):
    """A call that an interrupt ends after so many; and how often it was made."""
    made = []

    def counted(*arguments, **named):
        if len(made) == plans:
            raise KeyboardInterrupt
        made.append(arguments)
        return call(*arguments, **named)

    return counted, made


def without_times(report):
    if isinstance(report, dict):
        return {name: without_times(value) for name, value in report.items() if "seconds" not in name}
    return [without_times(one) for one in report] if isinstance(report, list) else report


@pytest.mark.parametrize("plans", [1, 4, 9])
def test_a_replay_goes_on_with_the_plans_that_are_missing(plans, tmp_path, monkeypatch):
    whole, all_plans = ending_after(10_000, rounds.Rounds._seen)
    monkeypatch.setattr(rounds.Rounds, "_seen", whole)
    expected = replay(LOADS, [12, 16], **PLAYED).to_dict()
    ended, before = ending_after(plans, rounds.Rounds._seen)
    monkeypatch.setattr(rounds.Rounds, "_seen", ended)
    with pytest.raises(KeyboardInterrupt):
        replay(LOADS, [12, 16], journal=tmp_path / "j", **PLAYED)
    monkeypatch.undo()
    again, after = ending_after(10_000, rounds.Rounds._seen)
    monkeypatch.setattr(rounds.Rounds, "_seen", again)
    found = replay(LOADS, [12, 16], journal=tmp_path / "j", **PLAYED)
    assert without_times(found.to_dict()) == without_times(expected)
    assert len(before) + len(after) <= len(all_plans) + 1  # the one in flight


def test_a_replay_that_has_ended_plans_nothing_again(tmp_path, monkeypatch):
    first = replay(LOADS, 12, journal=str(tmp_path / "j"), **PLAYED).to_dict()
    monkeypatch.setattr(rounds, "own", None)
    monkeypatch.setattr(rounds.Rounds, "_seen", None)
    assert replay(LOADS, 12, journal=tmp_path / "j", **PLAYED).to_dict() == first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_ranks": 2}, "num_ranks=4 instead of num_ranks=2"),
        ({"history": 3}, "history=2 instead of history=3"),
        ({"policies": ["greedy"]}, "policies="),
    ],
)
def test_a_journal_of_another_replay_is_refused(change, said, tmp_path):
    replay(LOADS, 12, journal=tmp_path / "j", **PLAYED)
    with pytest.raises(JournalError, match=f"is of another job, with .*{said}"):
        replay(LOADS, 12, journal=tmp_path / "j", **PLAYED | change)
    with pytest.raises(JournalError, match="other loads"):
        replay(LOADS + 1, 12, journal=tmp_path / "j", **PLAYED)


def test_a_gap_goes_on_with_the_methods_that_are_missing(folder, monkeypatch, capsys):
    solve = solver_module.solve
    ended, _ = ending_after(2, solve)
    monkeypatch.setattr(solver_module, "solve", ended)
    assert main([*GAP, *METHODS]) == 130
    assert "gap.sqlite" in capsys.readouterr().err
    monkeypatch.setattr(solver_module, "solve", solve)
    assert main([*GAP, *METHODS]) == 0
    found = json.loads((folder / "gap.json").read_text())
    store = Store(folder / "gap.sqlite")
    for name in ("greedy", "optimal", "refined"):
        assert store.section(name).head("finished") is not None
    store.close()
    monkeypatch.setattr("eplb_opt.call.Solving", None)
    assert main([*GAP, *METHODS]) == 0
    assert json.loads((folder / "gap.json").read_text()) == found
    assert [row["method"] for row in found["methods"]] == ["greedy", "optimal", "refined"]


def test_what_is_no_gap_of_these_options(folder, capsys):
    assert main([*GAP, *METHODS]) == 0
    assert main([*GAP, *METHODS, "--work", "0.06"]) == 2
    assert "is of another job, with --work 0.05 instead of --work 0.06" in capsys.readouterr().err
    assert main(["merge", "gap.sqlite", "-o", "map.npz"]) == 2
    assert "is of a gap, not of a solve or sweep" in capsys.readouterr().err
    assert main(["solve", *GAP[1:], "--journal", "gap.sqlite"]) == 2
    assert "is of another job" in capsys.readouterr().err
    assert main(["replay", "loads.npz", "--replicas", "12", "--ranks", "4", "--journal", "loads.npz"]) == 2
    assert "--journal" in capsys.readouterr().err


def test_sections_are_apart(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.begin({"job": "a"})
        one, two = journal.section("one"), journal.section("two")
        one.begin({"job": "b"})
        one.keep("kind", (1,), "of one")
        two.keep("kind", (1,), "of two")
        assert (one.known("kind"), two.known("kind"), journal.known("kind")) == ({(1,): "of one"}, {(1,): "of two"}, {})
        with pytest.raises(JournalError, match="is of another job"):
            one.begin({"job": "c"})
        two.begin({"job": "c"})

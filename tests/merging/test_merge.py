"""Shards of a job, each with a journal, joined into what a single run gives."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest

from eplb_opt import Cost, Instance, Journal, Limits, Objective, solve
from eplb_opt.cli import main
from eplb_opt.errors import JournalError
from eplb_opt.journal.store import Store
from eplb_opt.merging.merge import merged

from .reports import without_times

pytest.importorskip("numba")
pytest.importorskip("ortools")
LOAD = np.random.default_rng(2).lognormal(0, 1, (3, 5, 12)).round(3)
LIMITS = Limits(seconds=None, work=0.01, gap=1e-3)
USED = solve(Instance(LOAD**1.2, 18, num_ranks=6), "greedy").placement
COST = Cost.roofline(40e-6, 0.13e-6)
JOBS = {
    "sum": (Instance(LOAD, 18, num_ranks=6), {}),
    "windows": (Instance(LOAD, 18, num_ranks=6, objective=Objective("mean"), layer_ids=[7, 3, 9, 4, 5]), {}),
    "nodes": (Instance(LOAD, 18, num_ranks=6, num_groups=4, num_nodes=2), {}),
    "moves": (Instance(LOAD, 18, num_ranks=6), {"previous": USED, "max_moves": 4}),
    "warm": (Instance(LOAD, 18, num_ranks=6), {"warm_start": USED}),
    "spare": (Instance(LOAD, 24, num_ranks=6), {"spare": "rank"}),
    "time": (Instance(LOAD, 18, num_ranks=6, objective=Objective("mean", cost=COST, tokens_per_step=512)), {}),
}


def shards(folder, of, job, method="optimal", limits=LIMITS):
    instance, told = JOBS[job]
    for number in range(1, of + 1):
        path = folder / f"{job}{number}of{of}.sqlite"
        with Journal(path, f"{number}/{of}") as journal:
            solve(instance, method, limits, journal=journal, **told)
        yield path


@pytest.mark.parametrize("job", JOBS)
def test_shards_give_the_map_and_the_report_of_a_single_run(job, tmp_path):
    instance, told = JOBS[job]
    method = "refined" if job == "time" else "optimal"
    whole = solve(instance, method, LIMITS, **told)
    found = merged(list(shards(tmp_path, 2, job, method))[::-1])
    np.testing.assert_array_equal(found.placement.phy2log, whole.placement.phy2log)
    assert found.placement.layer_ids == whole.placement.layer_ids
    assert without_times(found.report) == without_times(whole.to_dict())


@pytest.mark.parametrize("method", ["greedy", "refined"])
def test_methods_that_place_whole_instances_have_shards_too(method, tmp_path):
    whole = solve(JOBS["sum"][0], method, LIMITS)
    found = merged(list(shards(tmp_path, 3, "sum", method)))
    np.testing.assert_array_equal(found.placement.phy2log, whole.placement.phy2log)
    assert without_times(found.report) == without_times(whole.to_dict())


def refused(paths):
    with pytest.raises(JournalError) as caught:
        merged(paths)
    return str(caught.value)


def test_shards_that_are_missing_are_named(tmp_path):
    paths = list(shards(tmp_path, 4, "sum", "greedy"))
    assert refused(paths[1::2]) == "not all shards are there: 1/4 is missing, 3/4 is missing"
    assert "are both shard 2/4: name one of them" in refused([*paths, paths[1]])
    with Journal(tmp_path / "begun", "4/4") as journal, contextlib.suppress(ZeroDivisionError):
        solve(JOBS["sum"][0], "greedy", LIMITS, journal=journal, progress=None)
    store = Store(tmp_path / "begun")
    store.put_head(finished=None)
    store.close()
    assert "4/4 has not finished" in refused([*paths[:3], tmp_path / "begun"])


def test_shards_without_layers_are_not_missed(tmp_path):
    paths = list(shards(tmp_path, 5, "sum", "greedy"))
    assert merged(paths).placement.phy2log.shape == (5, 18)
    for number in range(1, 6):
        with Journal(tmp_path / f"of{number}", f"{number}/8") as journal:
            solve(JOBS["sum"][0], "greedy", LIMITS, journal=journal)
    assert merged([tmp_path / f"of{number}" for number in range(1, 6)]).placement.phy2log.shape == (5, 18)


def test_journals_of_two_jobs_are_not_joined(tmp_path):
    one, _ = shards(tmp_path, 2, "sum", "greedy")
    _, other = shards(tmp_path, 2, "nodes", "greedy")
    assert "are of two jobs, with mode='global' instead of mode='hierarchical'" in refused([one, other])
    three = list(shards(tmp_path, 3, "sum", "greedy"))[1]
    with Journal(tmp_path / "half", "1/2") as journal:
        solve(JOBS["sum"][0], "greedy", LIMITS, journal=journal)
    assert "merge shards of one job" in refused([tmp_path / "half", three])


def test_a_journal_that_was_changed_is_refused(tmp_path):
    paths = list(shards(tmp_path, 2, "sum", "greedy"))
    store = Store(paths[0])
    entries = store.entries("layer")
    row = entries[0,]["row"]
    for bad in (row[:-1], [row[0]] * len(row), [99, *row[1:]], "text"):
        store.put("layer", {(0,): entries[0,] | {"row": bad}}, 0.0)
        store.close()
        assert "run the shards again" in refused(paths)
        store = Store(paths[0])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("loads.npz", load=LOAD, layer_ids=np.arange(3, 8))
    return tmp_path


TOPOLOGY = ["loads.npz", "--replicas", "18", "--ranks", "6"]
ASKED = [*TOPOLOGY, "--across", "sum", "--work", "0.01", "--workers", "1"]


def said(arguments, code, capsys):
    capsys.readouterr()
    assert main(arguments) == code
    return capsys.readouterr()


def test_the_command_joins_shards_into_the_files_of_a_single_run(folder, capsys):
    whole = said(["solve", *ASKED, "-o", "whole.npz", "--json", "whole.json"], 0, capsys).out
    for number in "123":
        shown = said(["solve", *ASKED, "--journal", f"{number}.sqlite", "--shard", f"{number}/3"], 0, capsys).out
        assert f"{number}.sqlite (eplb-opt merge joins the shards)" in shown
    journals = [f"{number}.sqlite" for number in "321"]
    joined = said(["merge", *journals, "-o", "map.npz", "--json", "report.json"], 0, capsys).out
    assert (folder / "map.npz").read_bytes() == (folder / "whole.npz").read_bytes()
    reports = [json.loads((folder / name).read_text()) for name in ("whole.json", "report.json")]
    assert list(reports[0]) == list(reports[1])
    assert without_times(reports[0]) == without_times(reports[1])
    first, *_ = whole.splitlines()
    assert joined.splitlines()[0] == first
    assert next(line for line in joined.splitlines() if line.startswith("without EPLB")) in whole
    assert main(["verify", "map.npz", "report.json", "loads.npz"]) in (0, 3)
    joined = said(["merge", *journals, "--json", "-"], 0, capsys).out
    assert without_times(json.loads(joined)) == without_times(reports[0])


def test_the_command_says_what_is_wrong_in_a_line(folder, capsys):
    journal = ["--journal", "j.sqlite"]
    assert main(["solve", *TOPOLOGY, "--method", "greedy", *journal, "--shard", "1/2"]) == 0
    greedy = ["solve", *TOPOLOGY, "--method", "greedy"]
    cases = {
        "--shard 1/2 keeps its part in a file: give --journal FILE": [*greedy, "--shard", "1/2"],
        "--shard '0': give i/n with i from 1 to n": [*greedy, "--shard", "0", *journal],
        "-o is for all shards: leave it out, eplb-opt merge writes it": [
            *greedy, *journal, "--shard", "1/2", "-o", "map.npz",
        ],
        "is of shard 1/2, not 2/2": [*greedy, *journal, "--shard", "2/2"],
        "with --time-limit 60.0 instead of --time-limit 9.0": [
            *greedy, *journal, "--shard", "1/2", "--time-limit", "9",
        ],
        "with --replicas 18 instead of --replicas 24": [
            "solve", "loads.npz", "--replicas", "24", "--ranks", "6", "--method", "greedy", *journal, "--shard", "1/2",
        ],
        "is the input loads.npz, which it would replace": [*greedy, "--journal", "loads.npz"],
        "-o map.npz and --journal map.npz are one file": [*greedy, "-o", "map.npz", "--journal", "map.npz"],
        "not all shards are there: 2/2 is missing": ["merge", "j.sqlite", "-o", "map.npz"],
        "nothing to write: give -o FILE for the map, or --json FILE": ["merge", "j.sqlite"],
        "there is no journal none.sqlite": ["merge", "none.sqlite", "-o", "map.npz"],
        "loads.npz is no journal: name one that --journal wrote": ["merge", "loads.npz", "-o", "map.npz"],
    }  # fmt: skip
    for line, arguments in cases.items():
        shown = said(arguments, 2, capsys)
        assert shown.out == ""
        assert len(shown.err.splitlines()) == 1, shown.err
        assert line in shown.err
    assert not (folder / "map.npz").exists()


def test_a_journal_in_use_is_said(folder, capsys):
    with Journal("j.sqlite"):
        shown = said(["solve", *TOPOLOGY, "--method", "greedy", "--journal", "j.sqlite"], 2, capsys)
        assert "is open in another process: wait for that, or name a file of its own" in shown.err


def test_an_array_of_jobs_may_be_longer_than_the_layers(folder, capsys):
    shown = said(["solve", *TOPOLOGY, "--journal", "j.sqlite", "--shard", "9/9"], 0, capsys)
    assert shown.out == "shard 9/9 has none of the 5 layers\n"
    assert not (folder / "j.sqlite").exists()


def test_a_dry_run_begins_no_journal(folder, capsys):
    shown = said(["solve", *TOPOLOGY, "--journal", "j.sqlite", "--dry-run"], 0, capsys)
    assert "would write j.sqlite" in shown.out
    assert not (folder / "j.sqlite").exists()

"""What rank 0 tells of a call: the engine's log, the log of calls, Prometheus; and that it never is in the way."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from eplb_opt import POLICIES
from eplb_opt.plugins import call_log, metrics, said, telling
from eplb_opt.plugins.call_log import CallLog, append_line
from eplb_opt.plugins.options import read_options
from eplb_opt.plugins.past import past_of
from eplb_opt.plugins.planning import plan

from ..conftest import TWO_LAYERS

WEIGHT = torch.tensor(TWO_LAYERS)
GREEDY = POLICIES["greedy"]
TOPOLOGY = (16, 1, 1, 8)
OLD = torch.tensor([[*range(12), 0, 1, 2, 3]] * 2)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "engines.md"


@pytest.fixture
def log(caplog, monkeypatch):
    """The log, of a process that has said nothing yet."""
    monkeypatch.setattr(said, "_said", set())
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def kept(path):
    return past_of(read_options({"EPLB_OPT_POLICY": "greedy", "EPLB_OPT_LOG": str(path)}), GREEDY, lambda: False, False)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# The log of calls


def test_a_line_a_call(path):
    past = kept(path)
    phy2log = plan(GREEDY, WEIGHT, *TOPOLOGY, past=past)
    plan(GREEDY, WEIGHT * 0, *TOPOLOGY, past=past)  # profiling: nothing to tell
    plan(GREEDY, WEIGHT, *TOPOLOGY, torch.from_numpy(phy2log), past=past)
    first, second = lines(path)
    assert (first["schema"], first["outcome"], first["policy"]) == ("eplb_opt.call/1", "planned", "greedy")
    assert (first["layers"], first["experts"], first["replicas"], first["ranks"]) == (2, 12, 16, 8)
    assert (first["windows"], first["objective"]) == (1, "sum")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["time"])
    assert first["planning_seconds"] >= 0
    absent = ("layers_changed", "replicas_moved", "imbalance_before", "worst_imbalance_before")
    assert [first[name] for name in absent] == [None] * 4
    assert (second["layers_changed"], second["replicas_moved"]) == (0, 0)
    assert second["imbalance_before"] == second["imbalance_after"] == first["imbalance_after"]


def test_the_figures_by_hand(path):
    # Two ranks with a slot each: 3 and 1 tokens are 1.5 times the mean; 2 and 2, 1. The idle layer counts nowhere.
    loads = torch.tensor([[3, 1], [2, 2], [0, 0]])
    past = kept(path)
    plan(GREEDY, loads, 2, 1, 1, 2, torch.tensor([[1, 1]] * 3), past=past)
    plan(GREEDY, loads, 4, 1, 1, 2, torch.tensor([[0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1]]), past=past)
    invalid, valid = lines(path)
    assert (invalid["imbalance_after"], invalid["worst_imbalance_after"]) == (1.25, 1.5)
    assert (invalid["imbalance_before"], invalid["layers_changed"], invalid["replicas_moved"]) == (None, 3, 3)
    assert (valid["imbalance_before"], valid["worst_imbalance_before"]) == (1.0, 1.0)


def test_a_call_without_a_plan_has_its_cause(path, log):
    past = kept(path)
    for _ in range(2):
        plan(GREEDY, WEIGHT * float("nan"), *TOPOLOGY, OLD, past=past)
    (first, second) = lines(path)
    assert first["outcome"] == second["outcome"] == "failed"
    assert first["error"] == "LoadsError: the load of layer 0, expert 0 is NaN"
    assert log.text.count("no plan, the experts stay where they are") == 1


def test_windows_are_counted(path):
    pytest.importorskip("numba")
    policy = POLICIES["refined"]
    past = past_of({"history": 4, "log": str(path)}, policy, lambda: False, False)
    for times in (1, 2, 3):
        plan(policy, WEIGHT * times, *TOPOLOGY, past=past)
    assert [(line["windows"], line["objective"]) for line in lines(path)] == [(1, "sum"), (2, "mean"), (3, "mean")]


def test_nothing_is_written_where_it_is_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan(GREEDY, WEIGHT, *TOPOLOGY, past=kept(""))
    assert list(tmp_path.iterdir()) == []


def test_other_ranks_write_nothing(path, monkeypatch, log):
    monkeypatch.setenv("RANK", "1")
    plan(GREEDY, WEIGHT, *TOPOLOGY, past=kept(path))
    plan(GREEDY, WEIGHT * float("nan"), *TOPOLOGY, past=kept(path))
    assert not path.exists()
    assert "imbalance" not in log.text


def test_a_line_behind_one_that_a_crash_has_cut(path):
    path.write_bytes(b'{"outcome": "plan')
    log = CallLog(str(path))
    log.append({"number": 0})
    log.append({"number": 1})
    cut, *whole = path.read_text().splitlines()
    assert cut == '{"outcome": "plan'
    assert [json.loads(line)["number"] for line in whole] == [0, 1]


@pytest.mark.parametrize("written", [0, 5])
def test_a_disk_that_takes_a_part_of_a_line_keeps_none(written, path, log, monkeypatch):
    path.write_bytes(b"{}\n")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda handle, text: write(handle, text[:written]))
        past = kept(path)
        for _ in range(2):
            found = plan(GREEDY, WEIGHT, *TOPOLOGY, past=past)
            assert np.array_equal(found, plan(GREEDY, WEIGHT, *TOPOLOGY))
    assert path.read_bytes() == b"{}\n"
    assert log.text.count("no calls are logged in") == 1


def test_a_full_disk_ends_the_log_alone(path, log, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    past = kept(path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        plan(GREEDY, WEIGHT, *TOPOLOGY, past=past)
    plan(GREEDY, WEIGHT, *TOPOLOGY, past=past)
    assert path.read_bytes() == b""
    assert "No space left on device" in log.text


def test_part_of_a_line_stays_where_others_have_written_behind_it(path, monkeypatch):
    path.write_bytes(b"{}\n")
    write = os.write

    def both(handle, text):
        written = write(handle, text[:3])
        with open(path, "ab") as file:
            file.write(b"theirs\n")
        return written

    monkeypatch.setattr(os, "write", both)
    with pytest.raises(OSError, match="3 of 7 bytes"):
        append_line(str(path), b"[1, 2]")
    assert path.read_bytes() == b"{}\n[1,theirs\n"


def test_where_no_file_can_be_written_serving_goes_on(tmp_path, log):
    os.mkfifo(tmp_path / "pipe")
    for name, cause in (("", "Is a directory"), ("pipe", "no regular file"), ("absent/calls.jsonl", "No such file")):
        past = kept(tmp_path / name)
        for _ in range(2):
            assert np.array_equal(plan(GREEDY, WEIGHT, *TOPOLOGY, past=past), plan(GREEDY, WEIGHT, *TOPOLOGY))
        assert cause in log.text
    assert log.text.count("serving goes on") == 3


APPENDS = """
import json, sys
from eplb_opt.plugins.call_log import append_line
for number in range(200):
    entry = {"writer": sys.argv[2], "number": number, "long": "x" * 500}
    append_line(sys.argv[1], json.dumps(entry).encode())
"""


def test_two_writers_leave_whole_lines(path):
    writers = [subprocess.Popen([sys.executable, "-c", APPENDS, str(path), name]) for name in "ab"]
    assert [process.wait(timeout=300) for process in writers] == [0, 0]
    written = [(line["writer"], line["number"]) for line in lines(path)]
    assert sorted(written) == [(name, number) for name in "ab" for number in range(200)]


@pytest.mark.parametrize("value", ["a\0b", 3, None])
def test_what_is_no_path_is_named(value):
    with pytest.raises(ValueError, match=re.escape(str(value))):
        call_log.LOG.read(value)


def test_what_json_does_not_know_ends_it(path, log):
    CallLog(str(path)).append({"imbalance": float("nan")})
    assert not path.exists()
    assert "ValueError" in log.text


# The engine's log


def test_a_line_of_the_engines_log(log):
    plan(GREEDY, WEIGHT, *TOPOLOGY)
    plan(GREEDY, WEIGHT, *TOPOLOGY, OLD)
    plan(GREEDY, WEIGHT, *TOPOLOGY, torch.full((2, 16), -1))
    texts = [re.sub(r"\d+", "0", record.getMessage()) for record in log.records]
    assert texts == [
        "new map: imbalance 0.0 on the planning loads, in 0.0 s",
        "0 of 0 layers changed, 0 of 0 replicas moved, imbalance 0.0 -> 0.0 on the planning loads, in 0.0 s",
        "0 of 0 layers changed, 0 of 0 replicas moved, imbalance an invalid map -> 0.0 on the planning loads, in 0.0 s",
    ]


def test_figures_that_cannot_be_made_cost_themselves_alone(log, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no figures")

    monkeypatch.setattr(telling, "figures_of", broken)
    expected = plan(GREEDY, WEIGHT, *TOPOLOGY)
    monkeypatch.setenv("RANK", "1")
    assert np.array_equal(plan(GREEDY, WEIGHT, *TOPOLOGY), expected)
    assert [record.getMessage() for record in log.records] == [
        "the figures of a call are not told (RuntimeError: no figures)"
    ]


def test_an_error_without_a_text_costs_itself_alone(path, monkeypatch):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    telling.tell_failure(MuteError(), GREEDY, CallLog(str(path)))
    assert not path.exists()


# Prometheus


class Series:
    """A stand-in for a metric of the client: what was done to which labels."""

    def __init__(self, name, text, labels=(), **options):
        self.name, self.names, self.options = name, tuple(labels), options
        self.values = {}

    def labels(self, *values):
        assert len(values) == len(self.names)
        return SimpleNamespace(**{name: lambda value=1, of=values: self.add(of, value) for name in ("inc", "observe")},
                               set=lambda value: self.values.update({values: value}))  # fmt: skip

    def inc(self):
        self.add((), 1)

    def add(self, of, value):
        self.values[of] = self.values.get(of, 0) + value


@pytest.fixture
def client(monkeypatch):
    """The client as an engine has imported it; all metrics by name."""
    made = {}

    def make(name, *arguments, **options):
        assert name not in made, "registered twice"
        made[name] = Series(name, *arguments, **options)
        return made[name]

    stand_in = SimpleNamespace(Counter=make, Gauge=make, Summary=make)
    monkeypatch.setitem(sys.modules, metrics.CLIENT, stand_in)
    monkeypatch.setattr(metrics, "_exported", None)
    monkeypatch.setattr(metrics, "_is_on", True)
    return made


def test_figures_are_exported(client, path):
    past = kept(path)
    for old in (None, OLD, OLD):
        plan(GREEDY, WEIGHT, *TOPOLOGY, old, past=past)
    plan(GREEDY, WEIGHT[:1], *TOPOLOGY)  # a drafter
    last = lines(path)[-1]
    assert client["eplb_opt_plans"].values == {("2x12",): 3, ("1x12",): 1}
    assert client["eplb_opt_replicas_moved"].values == {("2x12",): 2 * last["replicas_moved"], ("1x12",): 0}
    assert client["eplb_opt_planning_seconds"].values[("2x12",)] > 0
    found = client["eplb_opt_imbalance"]
    assert (found.names, found.options) == (("model", "map", "layers"), {"multiprocess_mode": "mostrecent"})
    of_model = {of[1:]: value for of, value in found.values.items() if of[0] == "2x12"}
    assert of_model == {
        ("before", "mean"): last["imbalance_before"], ("before", "worst"): last["worst_imbalance_before"],
        ("after", "mean"): last["imbalance_after"], ("after", "worst"): last["worst_imbalance_after"],
    }  # fmt: skip


def test_series_do_not_grow_with_the_model(client):
    loads = torch.from_numpy(np.random.default_rng(0).integers(1, 99, (60, 64)))
    plan(GREEDY, loads, 80, 1, 1, 16, torch.from_numpy(np.tile(np.arange(80) % 64, (60, 1))))
    assert sum(len(series.values) for series in client.values()) == 3 + 4


def test_failures_are_counted(client, log):
    for _ in range(2):
        plan(GREEDY, WEIGHT * float("nan"), *TOPOLOGY)
    assert client["eplb_opt_plan_failures"].values == {(): 2}


def test_a_registry_that_refuses_ends_it(client, log, monkeypatch):
    def refuse(*arguments, **options):
        raise ValueError("Duplicated timeseries")

    monkeypatch.setattr(sys.modules[metrics.CLIENT], "Gauge", refuse)
    for _ in range(3):
        plan(GREEDY, WEIGHT, *TOPOLOGY)
    assert log.text.count("Duplicated timeseries") == 1
    assert log.text.count("new map") == 3


def test_the_client_is_never_imported():
    program = "import sys, torch; from eplb_opt import POLICIES; from eplb_opt.plugins.planning import plan; " \
        "plan(POLICIES['greedy'], torch.ones(1, 4), 4, 1, 1, 2); print('prometheus_client' in sys.modules)"  # fmt: skip
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout == "False\n"


# The page


def test_the_page_names_every_figure(client, path):
    past = kept(path)
    plan(GREEDY, WEIGHT, *TOPOLOGY, OLD, past=past)
    plan(GREEDY, WEIGHT * float("nan"), *TOPOLOGY, past=past)
    text = PAGE.read_text()
    named = {*lines(path)[0], *lines(path)[1], *client}
    assert [name for name in sorted(named) if f"`{name}" not in text] == []

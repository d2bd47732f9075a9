"""Faults put in on purpose: whatever fails, the map is valid and no worse than the greedy's, and no bound is false."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from eplb_opt import FallbackWarning, Instance, Limits, StopReason, solve
from eplb_opt.formats import read_map
from eplb_opt.methods import METHODS
from eplb_opt.outcome import PoolOutcome
from eplb_opt.problem.pool import Packing

from .commands.common import COMMAND, TOPOLOGY, write_loads

pytest.importorskip("numba")
pytest.importorskip("ortools")
INSTANCE = Instance([[9.0, 5, 3, 2, 1], [4.0, 4, 3, 3, 1]], 8, num_ranks=4)
LIMITS = Limits(seconds=None, work=0.01, gap=1e-9)
START = Packing(np.array([[0, 1], [0, 2], [0, 3], [0, 4]]))


def raising(error):
    def improve(task, report):
        raise error

    return improve


def returning(packing=START, bound=None, **more):
    def improve(task, report):
        return PoolOutcome(packing, bound, StopReason.GAP, "faulty", **more)

    return improve


FAULTS = {
    "raises": raising(RuntimeError("at 1")),
    "raises without a word": raising(AssertionError()),
    "has no memory": raising(MemoryError()),
    "recurses": raising(RecursionError("maximum recursion depth exceeded")),
    "returns nothing": lambda task, report: None,
    "returns garbage": lambda task, report: "OPTIMAL",
    "returns another shape": returning(Packing(np.zeros((2, 2), dtype=np.int64))),
    "returns unknown experts": returning(Packing(np.full((4, 2), 99))),
    "returns negative experts": returning(Packing(np.full((4, 2), -1))),
    "loses experts": returning(Packing(np.zeros((4, 2), dtype=np.int64))),
    "returns a packing that is none": returning("text"),
    "returns fractions": returning(Packing(START.experts + 0.5)),
    "a bound that is no number": returning(bound=math.nan),
    "an infinite bound": returning(bound=math.inf),
    "a text as bound": returning(bound="8"),
}


def faulty(monkeypatch, improve):
    monkeypatch.setitem(METHODS, "optimal", dataclasses.replace(METHODS["optimal"], improve=improve))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_solver_that_fails_costs_quality_only(fault, monkeypatch):
    greedy = solve(INSTANCE, "greedy")
    proven = solve(INSTANCE, "optimal", LIMITS).objective
    faulty(monkeypatch, FAULTS[fault])
    with pytest.warns(FallbackWarning, match="kept the best map so far"):
        result = solve(INSTANCE, "optimal", LIMITS)
    assert not result.placement.violations(INSTANCE)
    assert (result.objective <= greedy.objective).all()
    assert (result.lower_bound <= proven).all()
    failed = [one for one in result.certificates if one.stop is StopReason.FAILED]
    assert failed
    assert all(one.note for one in failed)
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("bound", [1e300, 7.0])
def test_a_false_bound_above_the_objective_is_none(bound, monkeypatch):
    proven = solve(INSTANCE, "optimal", LIMITS).objective
    faulty(monkeypatch, returning(bound=bound, bound_method="rank patterns"))
    with pytest.warns(FallbackWarning, match="claimed a bound of"):
        result = solve(INSTANCE, "optimal", LIMITS)
    assert (result.lower_bound <= proven).all()
    assert StopReason.FAILED in {one.stop for one in result.certificates}


def test_a_bound_without_a_proof_is_not_called_certified(monkeypatch):
    """Below the objective nothing contradicts it: then its name says that nothing proves it, either."""
    instance = Instance(np.random.default_rng(1).lognormal(0, 1, (1, 12)), 18, num_ranks=6)
    between = float(solve(instance, "greedy").lower_bound[0] * 1.001)
    faulty(monkeypatch, returning(None, bound=between, bound_method="L2 pattern LP"))
    (layer,) = solve(instance, "optimal", LIMITS).certificates
    assert (layer.lower_bound, layer.bound_method) == (between, "L2 pattern LP, not certified")


def shell(line, folder):
    script = line.replace("$EPLB", " ".join(COMMAND))
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120)


SOLVE = f"$EPLB solve loads.npz {' '.join(TOPOLOGY)} --method greedy"


@pytest.mark.parametrize("option", ["-o map.npz", "--json report.json"])
def test_a_full_disk_is_one_line_and_leaves_no_part_of_a_file(option, tmp_path):
    """No file may grow beyond nothing: what a full disk does to a write."""
    write_loads(tmp_path)
    ended = shell(f"ulimit -f 0; trap '' XFSZ; {SOLVE} {option}", tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "cannot write" in ended.stderr
    assert f"{option.split()[1]}: File too large" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["loads.npz"]


def test_a_journal_on_a_full_disk_is_one_line(tmp_path):
    write_loads(tmp_path)
    ended = shell(f"ulimit -f 0; trap '' XFSZ; {SOLVE} --journal job.sqlite", tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "the journal job.sqlite cannot be read or written" in ended.stderr


def test_two_processes_on_one_output_leave_one_of_their_files(tmp_path):
    write_loads(tmp_path)
    both = f"{SOLVE} -o map.npz & first=$!; {SOLVE} --distinct -o map.npz; second=$?; wait $first && exit $second"
    ended = shell(both, tmp_path)
    assert ended.returncode == 0, ended.stderr
    read_map(tmp_path / "map.npz", 12, (5, 8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loads.npz", "map.npz"]


def test_two_processes_on_one_journal_are_one_job(tmp_path):
    write_loads(tmp_path)
    code = "import sys; from eplb_opt import Journal; j = Journal('job.sqlite'); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        ended = shell(f"{SOLVE} --journal job.sqlite", tmp_path)
        assert ended.returncode == 2
        assert "is open in another process: wait for that, or name a file of its own" in ended.stderr
        holder.kill()
    assert shell(f"{SOLVE} --journal job.sqlite", tmp_path).returncode == 0

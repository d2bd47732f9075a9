"""Tasks in other processes: what they found survives their end, and nobody is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from eplb_opt import Instance, Limits, SolveInterrupted, StopReason, solve
from eplb_opt import workers as workers_module
from eplb_opt.executors import local
from eplb_opt.executors.handover import Handover
from eplb_opt.methods.task import Task
from eplb_opt.outcome import PoolOutcome
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.workers import _unfinished, run_tasks

pytest.importorskip("numba")
POOL = Pool(np.array([5.0, 3, 2, 1]), 6, 3)
START = Packing(np.array([[0, 1], [0, 2], [3, 1]]))
HARD = [np.random.default_rng(seed).lognormal(0, 1, 24).round(3).tolist() for seed in (1, 2)]


def outcome(bound):
    return PoolOutcome(START, bound, StopReason.TIME, "search")


@pytest.mark.parametrize("in_file", [True, False])
def test_the_last_outcome_is_handed_over(tmp_path, in_file):
    handover = Handover(tmp_path / "0.outcome" if in_file else None)
    assert handover.get() is None
    handover.put(outcome(3.0))
    handover.put(outcome(4.0))
    assert handover.get().lower_bound == 4.0
    np.testing.assert_array_equal(handover.get().packing.experts, START.experts)


def test_a_half_written_file_and_a_full_disk_cost_the_handover_only(tmp_path):
    path = tmp_path / "0.outcome"
    path.write_bytes(b"\x80\x05")
    assert Handover(path).get() is None
    Handover(tmp_path / "no such folder" / "0.outcome").put(outcome(3.0))


def test_what_an_unfinished_task_had_found_is_its_outcome():
    task = Task(POOL, START, 2.0, Limits())
    found = _unfinished("optimal", task, outcome(4.0), StopReason.TIME, "stopped")
    assert (found.lower_bound, found.stop, found.note) == (4.0, StopReason.TIME, "stopped")
    nothing = _unfinished("optimal", task, None, StopReason.TIME, "stopped")
    assert (nothing.packing, nothing.lower_bound) == (START, None)


def test_a_worker_that_is_still_starting_has_less_time_than_its_share():
    task = Task(POOL, START, 2.0, Limits(seconds=10.0), deadline=time.monotonic() - 1.0)
    assert task.begun().limits.seconds == 1e-3
    assert Task(POOL, START, 2.0, Limits(seconds=10.0)).begun().limits.seconds == 10.0


def test_a_step_that_does_not_stop_costs_what_came_after_it_only(monkeypatch, tmp_path):
    """The parent ends a worker after the deadline; the search's result of before is kept."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(local, "timed_run", stuck_after_a_report)

    def deadline_passes_after_the_report(pending, timeout, return_when):
        assert wait_for(lambda: list(tmp_path.glob("eplb_opt-*/*.outcome")))
        return set(), pending

    monkeypatch.setattr(workers_module, "wait", deadline_passes_after_the_report)
    tasks = iter([("key", Task(POOL, START, 2.0, Limits()))])
    seen = []
    run_tasks("optimal", lambda: next(tasks, None), lambda *found: seen.append(found), Limits(), time.monotonic())
    ((key, found, _),) = seen
    assert (key, found.lower_bound, found.stop) == ("key", 4.5, StopReason.TIME)


def stuck_after_a_report(method, task, path):
    """As `timed_run` with a step that ignores its deadline."""
    Handover(path).put(outcome(4.5))
    time.sleep(60)


def test_a_worker_that_dies_leaves_what_it_had_found(monkeypatch):
    monkeypatch.setattr(local, "timed_run", dies_after_a_report)
    tasks = iter([("key", Task(POOL, START, 2.0, Limits()))])
    seen = []
    run_tasks("optimal", lambda: next(tasks, None), lambda *found: seen.append(found), Limits(workers=2), None)
    ((_, found, _),) = seen
    assert (found.lower_bound, found.stop) == (4.5, StopReason.FAILED)
    assert "worker process died" in found.note


def dies_after_a_report(method, task, path):
    """As `timed_run` with a native crash."""
    Handover(path).put(outcome(4.5))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("limits", [Limits(seconds=None, work=30.0), Limits(seconds=60.0)], ids=["here", "in workers"])
def test_an_interrupt_keeps_the_best_map(limits, monkeypatch):
    """Ctrl-C comes with the second task; the layer of the first one keeps what was proven."""
    instance = Instance(HARD, 36, num_ranks=12)
    number = 0

    def next_task(schedule):
        nonlocal number
        number += 1
        if number == 2:
            raise KeyboardInterrupt
        return original(schedule)

    from eplb_opt import sharing

    original = sharing.Sharing.next_task
    monkeypatch.setattr(sharing.Sharing, "next_task", next_task)
    with pytest.raises(SolveInterrupted) as caught:
        solve(instance, "optimal", limits)
    result = caught.value.result
    assert not result.placement.violations(instance)
    assert StopReason.INTERRUPTED in {c.stop for c in result.certificates}
    assert (result.objective >= result.lower_bound).all()


CHILD = """
    import sys
    import numpy as np
    from eplb_opt import Instance, Limits, SolveInterrupted, solve
    load = np.random.default_rng(0).lognormal(0, 1, (4, 60)).round(3)
    try:
        print("begin", flush=True)
        solve(Instance(load, 72, num_ranks=24), "optimal", Limits({limits}))
    except SolveInterrupted as interrupt:
        print(interrupt.result.gap.max(), len(interrupt.result.certificates), flush=True)
        sys.exit(130)
"""


def descendants(pid):
    """Processes below a process, from /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                child = int(status.parent.name)
                found += [child, *descendants(child)]
    return found


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def start_child(limits):
    code = textwrap.dedent(CHILD.format(limits=limits))
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whatever the tests were started with
    )  # fmt: skip
    assert child.stdout.readline() == "begin\n"
    return child


@pytest.mark.parametrize("limits", ["seconds=600, workers=2", "seconds=None, work=1e6"])
def test_ctrl_c_ends_within_seconds_and_leaves_no_process(limits):
    child = start_child(limits)
    if "workers" in limits:
        assert wait_for(lambda: len(descendants(child.pid)) >= 2)
    time.sleep(2.0)
    below = descendants(child.pid)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert output.split()[1] == "4"
    assert "Traceback" not in errors
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))


def test_workers_end_with_a_parent_that_is_killed():
    child = start_child("seconds=600, workers=2")
    assert wait_for(lambda: len(descendants(child.pid)) >= 2)
    time.sleep(2.0)
    below = descendants(child.pid)
    child.kill()
    child.communicate(timeout=60)
    assert wait_for(lambda: not any(is_running(pid) for pid in below))


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

"""A worker that takes more memory than its bound ends; its task keeps what it had found, others are done again."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from eplb_opt import Limits, OptionError, StopReason
from eplb_opt.executors import local, memory
from eplb_opt.executors.handover import Handover, timed_run
from eplb_opt.methods.task import Task
from eplb_opt.outcome import PoolOutcome
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.workers import run_tasks

pytest.importorskip("numba")
pytest.importorskip("loky")
POOL = Pool(np.array([5.0, 3, 2, 1]), 6, 3)
START = Packing(np.array([[0, 1], [0, 2], [3, 1]]))
GREEDY = 2.0  # the bound that the task of the hungry worker is given
MOST = 1024  # MiB: more than a worker's packages take


def hungry(method, task, path):
    """As `timed_run`; of a task of `GREEDY` after a report, with ever more memory."""
    if task.lower_bound != GREEDY:
        return timed_run(method, task, path)
    Handover(path).put(PoolOutcome(START, 4.5, StopReason.TIME, "search"))
    held = []
    while True:
        held.append(np.ones(16 << 17))
        time.sleep(0.005)


def test_the_hungry_task_alone_is_given_up(monkeypatch):
    monkeypatch.setattr(local, "timed_run", hungry)
    monkeypatch.setenv(memory.VARIABLE, str(MOST))
    tasks = iter([(bound, Task(POOL, START, bound, Limits(seconds=None, work=0.1))) for bound in (2.0, 1.0, 0.5, 0.0)])
    seen = {}
    run_tasks(
        "optimal",
        lambda: next(tasks, None),
        lambda key, found, seconds: seen.update({key: found}),
        Limits(seconds=None, work=0.1, workers=2),
        None,
    )
    given_up = seen.pop(GREEDY)
    assert (given_up.lower_bound, given_up.stop) == (4.5, StopReason.FAILED)
    assert given_up.note == f"its worker took more than {MOST} MiB of memory: set {memory.VARIABLE} to allow more"
    assert sorted(seen) == [0.0, 0.5, 1.0]
    assert all(found.stop is not StopReason.FAILED for found in seen.values())


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e3", "1.5"])
def test_what_is_no_bound(text, monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, text)
    with pytest.raises(OptionError, match="expected MiB, a positive integer"):
        local.LocalExecutor(2).check()


def test_the_bound(monkeypatch):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    assert memory.bound() == memory.DEFAULT * memory.MIB
    monkeypatch.setenv(memory.VARIABLE, "7")
    assert memory.bound() == 7 * memory.MIB


def test_the_page_says_the_bound():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "long-jobs.md"
    assert f"more than {memory.DEFAULT // 1024} GiB ends" in page.read_text()


def test_what_this_process_takes():
    before = memory.resident()
    held = np.ones(64 << 17)
    assert 60 * memory.MIB < memory.resident() - before < 200 * memory.MIB
    assert held.all()

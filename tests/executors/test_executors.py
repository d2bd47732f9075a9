"""Where tasks run makes no difference to what they come to, and a task whose worker is lost is done again."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future

import numpy as np
import pytest

from eplb_opt import FallbackWarning, Instance, Limits, MissingPackageError, OptionError, StopReason, solve
from eplb_opt.cli import main
from eplb_opt.executors.handover import timed_run
from eplb_opt.executors.registry import EXECUTORS, executor_named

from ..merging.reports import without_times

pytest.importorskip("numba")
pytest.importorskip("ortools")
INSTANCE = Instance(np.random.default_rng(3).lognormal(0, 1, (3, 12)).round(3), 18, num_ranks=6)
LIMITS = Limits(seconds=None, work=0.01, gap=1e-4)


class LostError(Exception):
    """A worker has gone."""


class Losing:
    """An executor whose workers are lost with some of what is submitted, by number."""

    lost = (LostError,)

    def __init__(self, losses):
        self.losses = losses
        self.submitted = []

    def check(self):
        """Nothing is missing."""

    def submit(self, method, task, path):
        future = Future()
        if len(self.submitted) in self.losses:
            future.set_exception(LostError("gone"))
        else:
            future.set_result(timed_run(method, task, path))
        self.submitted.append(task)
        return future

    def kill(self):
        """Nothing is at work."""


def report(**told):
    return without_times(solve(INSTANCE, "optimal", LIMITS, **told).to_dict())


@pytest.mark.parametrize("losses", [(), (0,), (1, 3)])
def test_results_are_the_same_wherever_tasks_run_and_whatever_is_lost(losses):
    executor = Losing(losses)
    assert report(executor=executor) == report()
    assert len(executor.submitted) == 3 + len(losses)


def test_a_task_that_ends_every_worker_is_given_up():
    with pytest.warns(FallbackWarning, match="worker process died: gone"):
        result = solve(INSTANCE, "optimal", LIMITS, executor=Losing(range(100)))
    assert {one.stop for one in result.certificates} == {StopReason.FAILED}
    assert not result.placement.violations(INSTANCE)


def test_a_journal_knows_what_ran_elsewhere(tmp_path):
    first = report(executor=Losing(()), journal=tmp_path / "j")
    executor = Losing(())
    assert report(executor=executor, journal=tmp_path / "j") == first
    assert executor.submitted == []


def test_names_of_executors():
    assert executor_named("local") is None
    with pytest.raises(OptionError, match="executor 'rai': did you mean ray"):
        executor_named("rai")
    assert set(EXECUTORS) == {"local", "ray"}


def test_what_ray_takes_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match="ray"):
        solve(INSTANCE, "optimal", LIMITS, executor="ray")
    np.savez(tmp_path / "loads.npz", load=INSTANCE.load)
    given = ["solve", str(tmp_path / "loads.npz"), "--replicas", "18", "--ranks", "6", "--executor", "ray"]
    assert main(given) == 2
    said = capsys.readouterr()
    assert "executor 'ray' needs the package ray: pip install" in said.err
    assert json.dumps(said.out) == '""'

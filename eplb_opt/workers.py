"""Tasks in worker processes within a deadline; in this process where results must not depend on the clock.

What a task finds on its way is handed over as it finds it (`Handover`), so that a worker that is killed, or dies, or an
interrupt, costs no more than the step that it is at.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from .executors import memory
from .executors.executor import Executor, Found
from .executors.handover import Handover
from .executors.local import LocalExecutor
from .limits import Limits
from .methods.run import run
from .methods.task import Task
from .outcome import PoolOutcome
from .problem.status import StopReason

Key = Any
NextTask = Callable[[], "tuple[Key, Task] | None"]
Done = Callable[[Key, PoolOutcome, float], None]

# After the deadline, at which a worker that does not stop is killed: of the call's limit, and in seconds.
GRACE_SHARE = 0.1
LEAST_GRACE = 0.1
MOST_GRACE = 0.5
MOST_LOSSES = 1  # workers that may die with a task before it is given up


def run_tasks(
    method: str,
    next_task: NextTask,
    done: Done,
    limits: Limits,
    deadline: float | None,
    executor: Executor | None = None,
) -> None:
    """Run tasks until ``next_task`` has none or the deadline passes.

    Parameters
    ----------
    next_task : called whenever a worker is free; returns a key and a task, or None if there is none *now*.
    done : called in this process with each task's key, outcome and seconds.
    deadline : ``time.monotonic()`` value, or None: then one worker runs in this process, in order.
    executor : where tasks run, ``limits.workers`` at a time; by default in processes of this machine.

    Raises
    ------
    KeyboardInterrupt
        As it came, when no worker runs any more and ``done`` has been told what the tasks had found.
    """
    if executor is None and deadline is None and limits.workers == 1:
        while (item := next_task()) is not None:
            _run_here(method, item, done)
        return
    executor = executor or LocalExecutor(limits.workers)
    executor.check()
    with tempfile.TemporaryDirectory(
        prefix="eplb_opt-", ignore_cleanup_errors=True
    ) as folder:
        crew = _Crew(method, done, limits, executor, Path(folder))
        try:
            crew.work(next_task, deadline)
        except KeyboardInterrupt:
            crew.stop("interrupted")
            raise


class _AtWork(NamedTuple):
    """A task in another process."""

    key: Key
    task: Task
    path: Path  # of its handover
    losses: int  # workers that have died with it


class _Crew:
    """Tasks at work in other processes."""

    def __init__(
        self,
        method: str,
        done: Done,
        limits: Limits,
        executor: Executor,
        folder: Path,
    ) -> None:
        self.method = method
        self.done = done
        self.size = limits.workers
        share = GRACE_SHARE * (limits.seconds or math.inf)
        self.grace = min(max(share, LEAST_GRACE), MOST_GRACE)
        self.executor = executor
        self.folder = folder
        self.number = 0
        self.pending: dict[Future[Found], _AtWork] = {}

    def work(self, next_task: NextTask, deadline: float | None) -> None:
        """Keep all workers busy until no task is left; at the deadline, end what is still running."""
        while True:
            while len(self.pending) < self.size and (item := next_task()) is not None:
                self._start(*item)
            if not self.pending:
                return
            timeout = (
                None
                if deadline is None
                else max(0.0, deadline + self.grace - time.monotonic())
            )
            finished, _ = wait(self.pending, timeout, return_when=FIRST_COMPLETED)
            if not finished:
                self.stop("stopped at the time limit")
                return
            for future in finished:
                self._collect(future)

    def stop(self, why: str) -> None:
        """Kill the workers, and take what their tasks had found."""
        self.executor.kill()
        stop = StopReason.INTERRUPTED if why == "interrupted" else StopReason.TIME
        while self.pending:
            _, lost = self.pending.popitem()
            self._end(lost, stop, why)

    def _start(self, key: Key, task: Task) -> None:
        path = self.folder / f"{self.number}.outcome"
        self.number += 1
        self._submit(_AtWork(key, task, path, 0))

    def _submit(self, at_work: _AtWork) -> None:
        future = self.executor.submit(self.method, at_work.task, at_work.path)
        self.pending[future] = at_work

    def _collect(self, future: Future[Found]) -> None:
        """Take what a task came to; where its worker has died, perhaps by another's fault, have it done again."""
        at_work = self.pending.pop(future)
        try:
            outcome, seconds = future.result()
        except self.executor.lost as error:
            self._lose(at_work, error)
            return
        self.done(at_work.key, outcome, seconds)

    def _lose(self, at_work: _AtWork, error: Exception) -> None:
        """Give up a task that took too much memory, or was lost too often; have others done again."""
        why = memory.why_ended(at_work.path)
        if why is not None:
            self._end(at_work, StopReason.FAILED, why)
            return
        # A worker that ends for its memory takes the others with it, by no fault of theirs.
        excused = len(list(self.folder.glob(f"*{memory.ENDING}")))
        if at_work.losses < MOST_LOSSES + excused:
            self._submit(at_work._replace(losses=at_work.losses + 1))
        else:
            why = f"worker process died: {error}"
            self._end(at_work, StopReason.FAILED, why)

    def _end(self, lost: _AtWork, stop: StopReason, why: str) -> None:
        """Give a task up: what it had handed over is what it came to."""
        partial = Handover(lost.path).get()
        outcome = _unfinished(self.method, lost.task, partial, stop, why)
        self.done(lost.key, outcome, 0.0)


def _run_here(method: str, item: tuple[Key, Task], done: Done) -> None:
    key, task = item
    start = time.monotonic()
    handover = Handover()
    try:
        outcome = run(method, task, handover.put)
    except KeyboardInterrupt:
        partial = _unfinished(
            method,
            task,
            handover.get(),
            StopReason.INTERRUPTED,
            "interrupted",
        )
        done(key, partial, time.monotonic() - start)
        raise
    done(key, outcome, time.monotonic() - start)


def _unfinished(
    method: str, task: Task, partial: PoolOutcome | None, stop: StopReason, note: str
) -> PoolOutcome:
    """The outcome of a task that did not end by itself: what it had found, or what it was given."""
    if partial is None:
        return PoolOutcome(task.incumbent, None, stop, method, note=note)
    return replace(partial, stop=stop, note=note)

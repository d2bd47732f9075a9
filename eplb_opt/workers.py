"""Tasks in worker processes within a deadline; in this process where results must not depend on the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .limits import Limits
from .outcome import PoolOutcome, StopReason
from .portfolio import Task, run

Key = Any
NextTask = Callable[[], "tuple[Key, Task] | None"]
Done = Callable[[Key, PoolOutcome, float], None]

GRACE = 0.5  # seconds after the deadline at which a worker that does not stop is killed
IDLE = 300  # seconds that idle workers are kept for the next call


def run_tasks(method: str, next_task: NextTask, done: Done, limits: Limits, deadline: float | None) -> None:
    """Run tasks until ``next_task`` has none or the deadline passes.

    Parameters
    ----------
    next_task : called whenever a worker is free; returns a key and a task, or None if there is none *now*.
    done : called in this process with each task's key, outcome and seconds.
    deadline : ``time.monotonic()`` value, or None: then one worker runs in this process, in order.
    """
    if deadline is None and limits.workers == 1:
        while (item := next_task()) is not None:
            done(item[0], *timed_run(method, item[1]))
        return
    pending: dict[Future[tuple[PoolOutcome, float]], tuple[Key, Task]] = {}
    while True:
        while len(pending) < limits.workers and (item := next_task()) is not None:
            pending[_executor(limits.workers).submit(timed_run, method, item[1])] = item
        if not pending:
            return
        timeout = None if deadline is None else max(0.0, deadline + GRACE - time.monotonic())
        finished, _ = wait(pending, timeout, return_when=FIRST_COMPLETED)
        if not finished:
            _executor(limits.workers).shutdown(wait=False, kill_workers=True)
            for key, task in pending.values():
                done(key, _lost(method, task, StopReason.TIME, "stopped at the time limit"), task.limits.seconds or 0)
            return
        for future in finished:
            key, task = pending.pop(future)
            done(key, *_result(future, method, task))


def timed_run(method: str, task: Task) -> tuple[PoolOutcome, float]:
    """`portfolio.run` and the seconds it took; the function that workers import."""
    start = time.monotonic()
    return run(method, task), time.monotonic() - start


def _result(future: Future[tuple[PoolOutcome, float]], method: str, task: Task) -> tuple[PoolOutcome, float]:
    try:
        return future.result()
    except BrokenProcessPool as error:  # a native crash or the memory killer; the next submit starts new workers
        return _lost(method, task, StopReason.FAILED, f"worker process died: {error}"), 0.0


def _lost(method: str, task: Task, stop: StopReason, note: str) -> PoolOutcome:
    return PoolOutcome(task.incumbent, None, stop, method, note=note)


def _executor(workers: int) -> Any:
    # loky: workers that import neither the caller's main module nor its torch state, and that can be killed.
    from loky import get_reusable_executor

    return get_reusable_executor(max_workers=workers, timeout=IDLE, kill_workers=False)
